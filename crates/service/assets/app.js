// What pages do beyond HTML: copying, dialogs, times in the reader’s zone.
