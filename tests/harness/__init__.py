"""What the end-to-end tests stand on: processes, keys, raw clients and readers of what Envoy says.

Nothing here judges the gate; the tests do. One file holds one concern, and none knows a test.
"""
