//! Many rows with few statements: what a statement costs is the way to the database, not the row.

use super::{Dialect, Tx};

/// How many rows a statement has. There are few sizes, so that each stays prepared, and the largest keeps within the
/// variables that SQLite allows (32,766) whatever the columns.
const SIZES: [usize; 3] = [128, 16, 1];

/// A statement with a list of rows in it, for every size, as PostgreSQL and as SQLite read it.
pub(super) struct Bulk {
    numbered: Vec<(usize, String)>,
    plain: Vec<(usize, String)>,
}

impl Bulk {
    /// `head (…), (…), … tail`, with `columns` placeholders a row.
    pub(super) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let sized = |name: &dyn Fn(usize) -> String| {
            let row = |row: usize| {
                let names: Vec<String> = (1..=columns).map(|c| name(row * columns + c)).collect();
                format!("({})", names.join(", "))
            };
            let statement = |size: usize| {
                let rows: Vec<String> = (0..size).map(row).collect();
                (size, format!("{head} {} {tail}", rows.join(", ")))
            };
            SIZES.map(statement).into()
        };
        Self {
            numbered: sized(&|n| format!("${n}")),
            // SQLite looks for a parameter that has a name, and `$1` is one, among all others each time.
            plain: sized(&|_| "?".into()),
        }
    }

    /// `INSERT INTO table (columns) VALUES (…), (…), … tail`.
    pub(super) fn insert(table: &str, columns: &[&str], tail: &str) -> Self {
        let head = format!("INSERT INTO {table} ({}) VALUES", columns.join(", "));
        Self::new(&head, columns.len(), tail)
    }

    /// The statements for these rows on this connection, each with its part of them.
    pub(super) fn statements<'a, T>(
        &'a self,
        tx: &Tx,
        rows: &'a [T],
    ) -> impl Iterator<Item = (&'a str, &'a [T])> + use<'a, T> {
        match tx.dialect {
            Dialect::Sqlite => parts(&self.plain, rows),
            Dialect::Postgres => parts(&self.numbered, rows),
        }
    }
}

fn parts<'a, T>(
    sized: &'a [(usize, String)],
    mut rows: &'a [T],
) -> impl Iterator<Item = (&'a str, &'a [T])> {
    std::iter::from_fn(move || {
        let (part, sql) = sized
            .iter()
            .find_map(|(size, sql)| Some((rows.get(..*size)?, sql)))?;
        rows = rows.get(part.len()..)?;
        Some((sql.as_str(), part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_statement_of_its_size() {
        let bulk = Bulk::new("INSERT INTO t VALUES", 2, "ON CONFLICT DO NOTHING");
        for (count, sizes) in [
            (0, vec![]),
            (1, vec![1]),
            (17, vec![16, 1]),
            (
                300,
                vec![128, 128, 16, 16, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            ),
        ] {
            let rows: Vec<usize> = (0..count).collect();
            let parts: Vec<&[usize]> = parts(&bulk.numbered, &rows).map(|(_, part)| part).collect();
            assert_eq!(parts.concat(), rows);
            assert_eq!(parts.iter().map(|p| p.len()).collect::<Vec<_>>(), sizes);
        }
        for (sized, begin, end) in [
            (
                &bulk.numbered,
                "INSERT INTO t VALUES ($1, $2), ($3, $4), ",
                "($31, $32) ON CONFLICT DO NOTHING",
            ),
            (
                &bulk.plain,
                "INSERT INTO t VALUES (?, ?), (?, ?), ",
                "(?, ?) ON CONFLICT DO NOTHING",
            ),
        ] {
            let (sql, _) = parts(sized, &[(); 16]).next().unwrap();
            assert!(sql.starts_with(begin) && sql.ends_with(end), "{sql}");
        }
    }
}
