//! A macro for enums whose variants have names in events, JSON, SQL, metrics, logs and documents. The declaration is
//! the only list of these names.

/// Declares an enum whose variants have names.
///
/// It makes `ALL` (every variant in order), `NAMES`, `name`, `named` (the inverse of `name`) and `meaning` (the
/// variant's doc comment). Other lists of the names iterate over `ALL`, or a test compares them with it.
#[macro_export]
macro_rules! vocabulary {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $Name:ident {
            $( $(#[doc = $doc:literal])+ $Variant:ident = $text:literal ),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $Name {
            $( $(#[doc = $doc])+ $Variant ),+
        }

        impl $Name {
            /// All of them, in the order of their declaration.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$Variant),+];

            /// Their names, in the same order.
            pub const NAMES: [&str; Self::ALL.len()] = [$($text),+];

            /// The name in events, JSON, SQL, metrics and logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Variant => $text),+ }
            }

            /// The meaning in one sentence, for documents.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$Variant => concat!($($doc),+).trim_ascii()),+ }
            }

            /// The variant with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.name() == name)
            }
        }
    };
}

pub(crate) use vocabulary;
