//! Reading objects with fields that we do not know, each field where it stands.
//!
//! What is written back keeps them ([`Rest`]); what is only looked at passes over them ([`Passed`]), which saves a good part of
//! reading an estate. `#[serde(flatten)]` would hold every object as a tree before it looks at a field. A `null` means nothing,
//! whatever the field.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::resources::Rest;

/// What becomes of fields that an object does not know.
pub trait Unknown: Default {
    /// Takes the value of one.
    ///
    /// # Errors
    /// When it is no JSON.
    fn take<'de, A: MapAccess<'de>>(&mut self, word: Cow<'_, str>, from: &mut A) -> Result<(), A::Error>;

    /// The state of the last write of the object, if the cloud shows it.
    fn provisioning_state(&self) -> Option<&str>;
}

const STATE: &str = "provisioningState";

impl Unknown for Rest {
    fn take<'de, A: MapAccess<'de>>(&mut self, word: Cow<'_, str>, from: &mut A) -> Result<(), A::Error> {
        let value = from.next_value()?;
        self.insert(word.into_owned(), value);
        Ok(())
    }

    fn provisioning_state(&self) -> Option<&str> {
        self.get(STATE).and_then(Value::as_str)
    }
}

/// Fields that were passed over, but for the state of the last write where it is not what it mostly is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Passed {
    other_state: Option<Box<str>>,
}

impl Unknown for Passed {
    fn take<'de, A: MapAccess<'de>>(&mut self, word: Cow<'_, str>, from: &mut A) -> Result<(), A::Error> {
        if word != STATE {
            return from.next_value::<IgnoredAny>().map(drop);
        }
        let state: Option<Word<'_>> = from.next_value()?;
        let state = state.filter(|Word(state)| !state.eq_ignore_ascii_case(SUCCEEDED));
        self.other_state = state.map(|Word(state)| state.into());
        Ok(())
    }

    fn provisioning_state(&self) -> Option<&str> {
        self.other_state.as_deref()
    }
}

/// The state of what was written and has ended well.
pub(super) const SUCCEEDED: &str = "Succeeded";

/// An object that knows some fields.
pub(crate) trait Kept: Default {
    /// What becomes of the others.
    type Others: Unknown;
    /// Takes the value of a field that it knows; whether it knows it.
    fn take<'de, A: MapAccess<'de>>(&mut self, word: &str, from: &mut A) -> Result<bool, A::Error>;
    /// Where the others go.
    fn others(&mut self) -> &mut Self::Others;
}

/// Reads a whole object.
pub(crate) fn read<'de, T: Kept, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(Whole(PhantomData))
}

struct Whole<T>(PhantomData<T>);

impl<'de, T: Kept> Visitor<'de> for Whole<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut whole = T::default();
        while let Some(Word(word)) = map.next_key()? {
            if !whole.take(&word, &mut map)? {
                whole.others().take(word, &mut map)?;
            }
        }
        Ok(whole)
    }
}

/// The name of a field, where it stands if it can.
struct Word<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Word<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Word<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Says how an object is read: its fields with their words; all of them may be missing.
macro_rules! kept {
    ($name:ident $(of $of:ident)? { $($field:ident: $word:literal),* $(,)? }) => {
        impl<$($of: Default + serde::de::DeserializeOwned,)? R: $crate::resources::kept::Unknown>
            $crate::resources::kept::Kept for $name<$($of,)? R>
        {
            type Others = R;

            fn take<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                word: &str,
                from: &mut A,
            ) -> Result<bool, A::Error> {
                match word {
                    $($word => self.$field = from.next_value::<Option<_>>()?.unwrap_or_default(),)*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            fn others(&mut self) -> &mut R {
                &mut self.rest
            }
        }

        impl<'de, $($of: Default + serde::de::DeserializeOwned,)? R: $crate::resources::kept::Unknown>
            serde::Deserialize<'de> for $name<$($of,)? R>
        {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::resources::kept::read(deserializer)
            }
        }
    };
}
pub(crate) use kept;
