//! Chat templates: Jinja text that turns a conversation into a prompt.
//!
//! Found in `chat_template.jinja`, else under `chat_template` of `tokenizer_config.json`, as one
//! template or as a list of named ones, of which `default` is taken. Rendered as transformers does: blocks
//! trimmed, `raise_exception` available, `bos_token`, `eos_token`, `messages` and
//! `add_generation_prompt` set.

use minijinja::{context, Environment, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checkpoint::{CheckpointError, Source};
use crate::tokenizer::TokenizerError;

const JINJA: &str = "chat_template.jinja";
const CONFIG: &str = "tokenizer_config.json";

/// Name of the template inside its environment.
const NAME: &str = "chat";

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// A parsed template.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    file: String,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// The template of a checkpoint, if it has one.
    pub(crate) fn load(source: &Source) -> Result<Option<Self>, TokenizerError> {
        let config = tokenizer_config(source)?;
        let (name, text) = match source.read_optional(JINJA)? {
            Some(text) => (JINJA, String::from_utf8_lossy(&text).into_owned()),
            None => match template_of(&config["chat_template"]) {
                Some(text) => (CONFIG, text.to_string()),
                None => return Ok(None),
            },
        };
        let file = source.path(name).display().to_string();
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| {
            Err::<String, _>(Error::new(ErrorKind::InvalidOperation, message))
        });
        match environment.add_template_owned(NAME, text) {
            Ok(()) => Ok(Some(ChatTemplate {
                environment,
                file,
                bos_token: token_of(&config["bos_token"]),
                eos_token: token_of(&config["eos_token"]),
            })),
            Err(e) => Err(template_error(file, e)),
        }
    }

    /// The prompt of a conversation, up to where the assistant answers.
    pub(crate) fn render(&self, messages: &[Message]) -> Result<String, TokenizerError> {
        let context = context! {
            messages => messages,
            add_generation_prompt => true,
            bos_token => &self.bos_token,
            eos_token => &self.eos_token,
        };
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(context))
            .map_err(|e| template_error(self.file.clone(), e))
    }
}

fn template_error(file: String, error: Error) -> TokenizerError {
    TokenizerError::Template {
        file,
        reason: error.to_string(),
    }
}

/// `tokenizer_config.json`, null if there is none.
fn tokenizer_config(source: &Source) -> Result<Value, CheckpointError> {
    let Some(json) = source.read_optional(CONFIG)? else {
        return Ok(Value::Null);
    };
    serde_json::from_slice(&json).map_err(|e| CheckpointError::Format {
        path: source.path(CONFIG),
        found: e.to_string(),
        expected: "a JSON object".into(),
    })
}

/// One template, or the one named `default`.
fn template_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(named) => {
            let default = named.iter().find(|t| t["name"] == "default")?;
            default["template"].as_str()
        }
        _ => None,
    }
}

/// A special token, written as text or as an object with `content`.
fn token_of(value: &Value) -> String {
    let text = value.as_str().or_else(|| value["content"].as_str());
    text.unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(config: Value) -> Result<String, TokenizerError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CONFIG), config.to_string()).unwrap();
        let template = ChatTemplate::load(&Source::Folder(folder.path().into()))?;
        let message = |role: &str, content: &str| Message {
            role: role.into(),
            content: content.into(),
        };
        template
            .unwrap()
            .render(&[message("user", " Hello. "), message("assistant", "Hi")])
    }

    #[test]
    fn the_template_of_the_published_model() {
        let template = "{% for message in messages %}{{ message['role'] | capitalize + ': ' + \
            message['content'] | trim + '<|eot_id|>' }}{% endfor %}\
            {% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";
        let want = "User: Hello.<|eot_id|>Assistant: Hi<|eot_id|>Assistant: ";
        assert_eq!(render(json!({"chat_template": template})).unwrap(), want);
        let named =
            json!([{"name": "tool", "template": "x"}, {"name": "default", "template": template}]);
        assert_eq!(render(json!({"chat_template": named})).unwrap(), want);
    }

    #[test]
    fn python_methods_and_tokens_work() {
        let config = json!({
            "bos_token": {"content": "<s>"},
            "eos_token": "</s>",
            "chat_template": "{{ bos_token + messages[0]['content'].strip().upper() + eos_token }}",
        });
        assert_eq!(render(config).unwrap(), "<s>HELLO.</s>");
    }

    #[test]
    fn a_template_may_refuse_and_may_be_broken() {
        let refused =
            render(json!({"chat_template": "{{ raise_exception('roles must alternate') }}"}));
        assert!(refused
            .unwrap_err()
            .to_string()
            .contains("roles must alternate"));
        let broken = render(json!({"chat_template": "{% for %}"}))
            .unwrap_err()
            .to_string();
        assert!(broken.contains(CONFIG), "{broken}");
    }
}
