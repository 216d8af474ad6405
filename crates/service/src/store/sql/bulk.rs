//! Many rows with few statements: what a statement costs is the way to the database, not the row.

/// How many rows a statement has. There are few sizes, so that each stays prepared, and the largest keeps within the
/// variables that SQLite allows (32,766) whatever the columns.
const SIZES: [usize; 3] = [128, 16, 1];

/// A statement with a list of rows in it, for every size.
pub(super) struct Bulk(Vec<(usize, String)>);

impl Bulk {
    /// `head (…), (…), … tail`, with `columns` placeholders a row.
    pub(super) fn new(head: &str, columns: usize, tail: &str) -> Self {
        let rows = |count: usize| {
            let row = |row: usize| {
                let names: Vec<String> = (1..=columns)
                    .map(|c| format!("${}", row * columns + c))
                    .collect();
                format!("({})", names.join(", "))
            };
            let rows: Vec<String> = (0..count).map(row).collect();
            rows.join(", ")
        };
        Self(
            SIZES
                .map(|size| (size, format!("{head} {} {tail}", rows(size))))
                .into(),
        )
    }

    /// The statements for these rows, each with its part of them.
    pub(super) fn statements<'a, T>(
        &'a self,
        mut rows: &'a [T],
    ) -> impl Iterator<Item = (&'a str, &'a [T])> {
        std::iter::from_fn(move || {
            let (part, sql) = self
                .0
                .iter()
                .find_map(|(size, sql)| Some((rows.get(..*size)?, sql)))?;
            rows = rows.get(part.len()..)?;
            Some((sql.as_str(), part))
        })
    }
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
            let parts: Vec<&[usize]> = bulk.statements(&rows).map(|(_, part)| part).collect();
            assert_eq!(parts.concat(), rows);
            assert_eq!(parts.iter().map(|p| p.len()).collect::<Vec<_>>(), sizes);
        }
        let (sql, _) = bulk.statements(&[(); 16]).next().unwrap();
        assert!(
            sql.starts_with("INSERT INTO t VALUES ($1, $2), ($3, $4), "),
            "{sql}"
        );
        assert!(sql.ends_with("($31, $32) ON CONFLICT DO NOTHING"), "{sql}");
    }
}
