//! Reading JSON leniently: objects by folded member names, scalars for texts, one value for a list.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
};

use crate::report::Text;

/// Declares a struct whose members are read leniently: by folded name, a second one of the same
/// name wins, unknown ones ignored. A field's name is the member's, with `_` for `-`. What stands
/// in an object's place and is none is passed over.
macro_rules! lenient {
    ($(#[$doc:meta])* $visibility:vis $name:ident { $($field:ident: $type:ty = $key:literal $(| $alias:literal)*,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        $visibility struct $name {
            /// It was there, and an object.
            present: bool,
            /// A member's name was not spelled as in RFC 8460.
            respelled: bool,
            /// A member stood there more than once.
            repeated: bool,
            /// It was the only one in a list.
            listed: bool,
            $($field: $type,)*
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;
                impl<'de> Visitor<'de> for Members {
                    type Value = $name;
                    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                        formatter.write_str("an object")
                    }
                    fn visit_unit<E: Error>(self) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_bool<E: Error>(self, _: bool) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_i64<E: Error>(self, _: i64) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_u64<E: Error>(self, _: u64) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_f64<E: Error>(self, _: f64) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_str<E: Error>(self, _: &str) -> Result<$name, E> {
                        Ok($name::default())
                    }
                    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<$name, A::Error> {
                        let only = list.next_element::<$name>()?.filter(|only| only.present);
                        let mut is_only = true;
                        while list.next_element::<IgnoredAny>()?.is_some() {
                            is_only = false;
                        }
                        let only = only.filter(|_| is_only);
                        Ok(only.map_or_else($name::default, |only| $name { listed: true, ..only }))
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name { present: true, ..$name::default() };
                        $(let mut $field = false;)*
                        while let Some(FoldedName { folded, dashed }) = map.next_key()? {
                            match folded.as_str() {
                                $($key $(| $alias)* => {
                                    object.$field = map.next_value()?;
                                    object.respelled |= dashed != stringify!($field);
                                    object.repeated |= std::mem::replace(&mut $field, true);
                                })*
                                _ => { map.next_value::<IgnoredAny>()?; }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_any(Members)
            }
        }

        impl $name {
            /// What there is to note, and whether it is to be noted.
            fn notes(&self) -> [(&'static str, bool); 3] {
                [
                    ("member-name", self.respelled),
                    ("member-repeated", self.repeated),
                    ("list-for-object", self.listed),
                ]
            }
        }

        impl Present for $name {
            fn is_present(&self) -> bool {
                self.present
            }
        }
    };
}

/// What `lenient!` made.
pub(super) trait Present {
    /// It was there, and an object.
    fn is_present(&self) -> bool;
}

/// An object in a list. What is there instead takes a pointer's room, however large the object
/// would be.
pub(super) struct Slot<T>(pub(super) Option<Box<T>>);

impl<'de, T: Present + Deserialize<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer)
            .map(|object| Slot(object.is_present().then(|| Box::new(object))))
    }
}

pub(super) use lenient;

/// A member's name.
pub(super) struct FoldedName {
    /// In small letters, without `-` and `_`.
    pub(super) folded: String,
    /// As it stands, but with `_` and `-` exchanged: the name of a field here.
    pub(super) dashed: String,
}

impl<'de> Deserialize<'de> for FoldedName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberName;
        impl Visitor<'_> for MemberName {
            type Value = FoldedName;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a member name")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<FoldedName, E> {
                let folded = name
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .map(|c| c.to_ascii_lowercase());
                let dashed = |c| match c {
                    '-' => '_',
                    '_' => '-',
                    other => other,
                };
                Ok(FoldedName {
                    folded: folded.take(64).collect(),
                    dashed: name.chars().take(64).map(dashed).collect(),
                })
            }
        }
        deserializer.deserialize_str(MemberName)
    }
}

/// A text, or a number or truth value as its text; nothing for null, lists and objects.
#[derive(Default)]
pub(super) struct Scalar {
    pub(super) text: Option<Text>,
    /// It was a text in the JSON.
    pub(super) quoted: bool,
    /// It was there, but null, a list or an object.
    pub(super) is_other: bool,
}

impl Scalar {
    fn bare(text: Text) -> Scalar {
        Scalar { text: Some(text), ..Scalar::default() }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a value")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar { text: Some(text.into()), quoted: true, is_other: false })
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::bare(compact_str::format_compact!("{number}")))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::bare(compact_str::format_compact!("{number}")))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar::bare(compact_str::format_compact!("{number}")))
            }
            fn visit_bool<E: Error>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::bare(compact_str::format_compact!("{truth}")))
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar { is_other: true, ..Scalar::default() })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar { is_other: true, ..Scalar::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar { is_other: true, ..Scalar::default() })
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A list, or one value in a list's place (then true).
pub(super) struct List<T>(pub(super) Vec<T>, pub(super) bool);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new(), false)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = List<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a list")
            }
            fn visit_unit<E: Error>(self) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<List<T>, E> {
                T::deserialize(StrDeserializer::new(text)).map(|one| List(vec![one], true))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<List<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| List(vec![one], true))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(List(elements, false))
            }
        }
        deserializer.deserialize_any(Elements(PhantomData))
    }
}
