//! JSON Schemas (draft 2020-12) of every file and output, from their types; those of TOML files and of a foreign
//! format are written by hand. `host/schemas` holds what is generated here, and a test keeps it fresh.
//!
//! The schema of an artefact says what may be read: keys that came later in its version are optional, so files
//! without them still fit.

use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{json, Value};

use crate::artefact::{read_json, Artefact, ArtefactError};

mod list;

pub use list::formats;

/// Prefix of the names that files carry.
const PREFIX: &str = "tercet.";

/// Reads a file and says what is wrong with it.
pub type Read = fn(&Path) -> Result<(), ArtefactError>;

/// A kind of file or output.
pub struct Format {
    /// Its name: what files carry, without the prefix.
    pub name: String,
    /// Its version; none of a format that others define.
    pub version: Option<u32>,
    /// Its JSON Schema.
    pub schema: Value,
    /// Reads a file of it with today's type; none of what is only written.
    pub read: Option<Read>,
}

impl Format {
    /// An artefact: what is read from its files.
    pub fn artefact<T: Artefact + JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12();
        let schema = settings.into_generator().into_root_schema_for::<T>();
        Format {
            read: Some(|path| read_json::<T>(path).map(drop)),
            ..Self::with_header(T::SCHEMA, T::VERSION, schema)
        }
    }

    /// Something that is only written. Its type may have the header or not.
    pub fn output<T: JsonSchema>(name: &str, version: u32) -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let schema = settings.into_generator().into_root_schema_for::<T>();
        Self::with_header(name, version, schema)
    }

    /// A schema that is written by hand.
    ///
    /// # Panics
    ///
    /// If `text` is no JSON.
    pub fn by_hand(name: &str, version: Option<u32>, text: &str) -> Self {
        Format {
            name: name.to_string(),
            version,
            schema: serde_json::from_str(text).expect("a committed schema is JSON"),
            read: None,
        }
    }

    fn with_header(name: &str, version: u32, schema: Schema) -> Self {
        let mut schema = schema.to_value();
        schema["title"] = json!(format!("{name} version {version}"));
        schema["properties"]["schema"] = json!({ "const": name });
        schema["properties"]["version"] = json!({ "const": version });
        let required = schema["required"].as_array_mut();
        let mut keys: Vec<Value> = required.map(std::mem::take).unwrap_or_default();
        keys.retain(|key| key != "schema" && key != "version");
        keys.splice(0..0, [json!("schema"), json!("version")]);
        schema["required"] = keys.into();
        plain(&mut schema);
        Format {
            name: name.strip_prefix(PREFIX).unwrap_or(name).to_string(),
            version: Some(version),
            schema,
            read: None,
        }
    }

    /// Name of its file: `profile.v2.schema.json`.
    pub fn file_name(&self) -> String {
        match self.version {
            Some(version) => format!("{}.v{version}.schema.json", self.name),
            None => format!("{}.schema.json", self.name),
        }
    }

    /// Whether it is called that, with or without the prefix.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name.strip_prefix(PREFIX).unwrap_or(name)
    }

    /// What it is, in a line.
    pub fn about(&self) -> &str {
        let text = self.schema["description"].as_str().unwrap_or_default();
        text.split("\n\n").next().unwrap_or_default()
    }

    /// The schema as text.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.schema).expect("a value");
        text.push('\n');
        text
    }
}

/// Makes descriptions readable outside rustdoc: without links, on one line where they are one paragraph.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text
                    .replace("[`", "`")
                    .replace("`]", "`")
                    .replace("crate::", "");
                let paragraphs: Vec<String> =
                    text.split("\n\n").map(|p| p.replace('\n', " ")).collect();
                *text = paragraphs.join("\n\n");
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_name_of_its_own_and_says_what_it_is() {
        let formats = formats();
        for f in &formats {
            let same = formats.iter().filter(|g| g.name == f.name).count();
            assert_eq!(same, 1, "{}", f.name);
            assert!(!f.about().is_empty(), "{}", f.name);
            assert!(!f.text().contains("crate::"), "{}", f.name);
        }
    }
}
