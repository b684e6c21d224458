use super::*;
use crate::checkpoint::Source;
use crate::executor::CpuExecutor;

/// Turns of plain text; answers end with the model's own end token.
const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}\
    {{ m.content + eos_token }}{% else %}{{ m.content + '\\n' }}{% endif %}{% endfor %}";

struct Bench {
    model: Model,
    tokenizer: Tokenizer,
    cpu: CpuExecutor,
}

impl Bench {
    fn new() -> Self {
        Bench::with(TEMPLATE, "config.json", |_| {})
    }

    /// The embedded model with a template, and with one of its JSON files edited.
    fn with(template: &str, file: &str, edit: impl FnOnce(&mut serde_json::Value)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in crate::embedded::files() {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let path = folder.path().join(file);
        let mut json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        edit(&mut json);
        std::fs::write(path, json.to_string()).unwrap();
        std::fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
        let source = Source::Folder(folder.path().into());
        Bench {
            model: Model::load(&source).unwrap(),
            tokenizer: Tokenizer::load(&source).unwrap(),
            cpu: CpuExecutor::new(1).unwrap(),
        }
    }

    fn conversation(&self, options: &ConversationOptions) -> Conversation<'_> {
        Conversation::new(&self.model, &self.tokenizer, options).unwrap()
    }

    fn refused(&self, options: &ConversationOptions) -> String {
        let refused = Conversation::new(&self.model, &self.tokenizer, options);
        refused.err().unwrap().to_string()
    }
}

fn greedy(max_tokens: usize) -> ConversationOptions {
    ConversationOptions {
        system: None,
        sampling: Sampling::GREEDY,
        max_tokens: Some(max_tokens),
    }
}

/// Answers without looking at the text.
fn say(c: &mut Conversation, cpu: &mut CpuExecutor, text: &str) -> Answer {
    c.answer(cpu, text, &mut |_| ControlFlow::Continue(()))
        .unwrap()
}

const TURNS: [&str; 3] = [
    "Once upon a time",
    "Then the fox came.",
    "What did Ben say?",
];

#[test]
fn what_is_kept_changes_no_answer() {
    let bench = Bench::new();
    let mut cpu = CpuExecutor::new(1).unwrap();
    let mut kept = bench.conversation(&greedy(20));
    let mut anew = bench.conversation(&greedy(20));
    for (turn, text) in TURNS.into_iter().enumerate() {
        let a = say(&mut kept, &mut cpu, text);
        anew.session = Session::new(&bench.model);
        anew.held.clear();
        let b = say(&mut anew, &mut cpu, text);
        assert_eq!(a.text, b.text, "turn {turn}");
        assert_eq!(a.kept_tokens > 0, turn > 0);
        assert_eq!(a.kept_tokens + a.read_tokens, b.read_tokens);
        assert_eq!((b.kept_tokens, a.tokens), (0, b.tokens));
        assert_eq!(kept.session.position(), kept.held.len());
    }
    assert_eq!(kept.messages, anew.messages);
}

#[test]
fn only_what_is_new_is_read() {
    let mut bench = Bench::new();
    let options = greedy(20);
    let mut c = Conversation::new(&bench.model, &bench.tokenizer, &options).unwrap();
    let first = say(&mut c, &mut bench.cpu, TURNS[0]);
    let second = say(&mut c, &mut bench.cpu, TURNS[1]);
    // All but the last token of the answer, which was chosen and not read.
    let held = first.read_tokens + first.decode_passes;
    assert_eq!(first.tokens, first.decode_passes + 1);
    assert_eq!(second.kept_tokens, held);
    let new = bench.tokenizer.encode_plain(TURNS[1]).unwrap().len();
    assert!(second.read_tokens <= new + 4, "{second:?}");
}

/// As the published model's: the space before an answer is a token until the answer follows it.
const PUBLISHED: &str = "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}\
    {% endfor %}{{ 'assistant: ' }}";

#[test]
fn all_of_an_answer_that_the_template_gives_back_is_kept() {
    let bench = Bench::with(PUBLISHED, "config.json", |_| {});
    let mut cpu = CpuExecutor::new(1).unwrap();
    let mut c = bench.conversation(&greedy(9));
    for text in TURNS {
        let before = c.held.clone();
        let answer = say(&mut c, &mut cpu, text);
        assert_eq!(answer.kept_tokens, before.len(), "{answer:?}");
        assert_eq!(c.held[..before.len()], before);
    }
}

#[test]
fn ids_of_the_last_turn_stay_as_the_model_wrote_them() {
    let bench = Bench::with(PUBLISHED, "config.json", |_| {});
    let mut c = bench.conversation(&greedy(1));
    let t = &bench.tokenizer;
    let before = "user: Hi<|end_of_text|>assistant: ";
    let answer = "there was a fox";
    let written = [t.encode_plain(before), t.encode_plain(answer)].map(Result::unwrap);
    let written = written.concat();
    let split = t.encode_plain(&format!("{before}{answer}")).unwrap();
    assert_ne!(split, written, "the tokenizer takes the space to the word");
    c.last = Some(Turn {
        text: format!("{before}{answer}"),
        ids: written.clone(),
    });
    let mut ids_with = |content: &str| {
        c.messages = vec![
            message("user", "Hi"),
            message("assistant", content),
            message("user", "And then?"),
        ];
        let ids = c.prompt().unwrap().ids;
        (ids, t.encode_chat(&c.messages).unwrap())
    };
    let (ids, split) = ids_with(answer);
    assert!(ids.starts_with(&written) && !split.starts_with(&written));
    assert_eq!(t.decode(&ids).unwrap(), t.decode(&split).unwrap());
    for other in ["there was a foxglove", "there was a cat", ""] {
        let (ids, split) = ids_with(other);
        assert_eq!(ids, split, "{other}: not what was written");
    }
}

#[test]
fn a_template_that_rewrites_answers_costs_only_time() {
    let trims = TEMPLATE.replace("m.content + eos", "m.content[:3] | upper + eos");
    let bench = Bench::with(&trims, "config.json", |_| {});
    let mut cpu = CpuExecutor::new(1).unwrap();
    let mut c = bench.conversation(&greedy(12));
    let first = say(&mut c, &mut cpu, TURNS[0]);
    let second = say(&mut c, &mut cpu, TURNS[1]);
    assert!(second.kept_tokens >= first.read_tokens - 1, "{second:?}");
    assert!(second.kept_tokens < first.read_tokens + first.decode_passes);
    let mut anew = bench.conversation(&greedy(12));
    anew.messages = c.messages[..2].to_vec();
    assert_eq!(say(&mut anew, &mut cpu, TURNS[1]).text, second.text);
}

#[test]
fn the_text_streams_and_is_the_answer() {
    let mut bench = Bench::new();
    let options = greedy(400);
    let mut c = Conversation::new(&bench.model, &bench.tokenizer, &options).unwrap();
    let mut seen = String::new();
    let answer = c.answer(&mut bench.cpu, TURNS[0], &mut |text| {
        seen.push_str(text);
        ControlFlow::Continue(())
    });
    let answer = answer.unwrap();
    assert_eq!(answer.stop_reason, StopReason::StopToken);
    assert_eq!(answer.text, seen);
    assert_eq!(answer.tokens, answer.decode_passes, "a stop token ends it");
    assert_eq!(c.messages[1], message("assistant", &seen));
}

#[test]
fn an_answer_broken_off_stays_as_far_as_it_got() {
    let mut bench = Bench::new();
    let options = greedy(100);
    let mut c = Conversation::new(&bench.model, &bench.tokenizer, &options).unwrap();
    let mut left = 5;
    let answer = c.answer(&mut bench.cpu, TURNS[0], &mut |_| {
        left -= 1;
        match left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    let answer = answer.unwrap();
    assert_eq!(
        (answer.stop_reason, answer.tokens),
        (StopReason::Cancelled, 5)
    );
    assert_eq!(c.messages[1], message("assistant", &answer.text));
    assert!(say(&mut c, &mut bench.cpu, TURNS[1]).kept_tokens > answer.read_tokens);
}

#[test]
fn a_message_broken_off_while_read_is_withdrawn() {
    let mut bench = Bench::new();
    let options = greedy(4);
    let mut c = Conversation::new(&bench.model, &bench.tokenizer, &options).unwrap();
    let long = "a fox ".repeat(READ_TOKENS / 2);
    let answer = c.answer(&mut bench.cpu, &long, &mut |text| {
        assert_eq!(text, "");
        ControlFlow::Break(())
    });
    let answer = answer.unwrap();
    assert_eq!(
        (answer.stop_reason, answer.tokens),
        (StopReason::Cancelled, 0)
    );
    assert_eq!(answer.read_tokens, READ_TOKENS);
    assert!(c.is_empty());
    assert_eq!(say(&mut c, &mut bench.cpu, &long).kept_tokens, READ_TOKENS);
}

#[test]
fn a_full_context_is_told_before_and_during_an_answer() {
    let small = |json: &mut serde_json::Value| json["max_position_embeddings"] = 24.into();
    let mut bench = Bench::with(TEMPLATE, "config.json", small);
    let options = ConversationOptions {
        max_tokens: None,
        ..greedy(1)
    };
    let mut c = Conversation::new(&bench.model, &bench.tokenizer, &options).unwrap();
    let answer = say(&mut c, &mut bench.cpu, TURNS[0]);
    assert_eq!(answer.stop_reason, StopReason::ContextFull);
    assert_eq!((c.held_tokens(), c.session.room()), (24, 0));
    let mut again = || c.answer(&mut bench.cpu, TURNS[1], &mut |_| unreachable!());
    let full = again().unwrap_err();
    assert!(full.is_about_message());
    assert!(full.to_string().contains("expected at most 24"), "{full}");
    assert_eq!(full.to_string(), again().unwrap_err().to_string());
    c.clear();
    assert_eq!(say(&mut c, &mut bench.cpu, TURNS[0]).text, answer.text);
}

#[test]
fn the_system_message_survives_clearing() {
    let mut bench = Bench::new();
    let options = ConversationOptions {
        system: Some("There was a fox.".to_string()),
        ..greedy(8)
    };
    let mut c = Conversation::new(&bench.model, &bench.tokenizer, &options).unwrap();
    let first = say(&mut c, &mut bench.cpu, TURNS[0]);
    assert!(!c.is_empty());
    c.clear();
    assert!(c.is_empty());
    let again = say(&mut c, &mut bench.cpu, TURNS[0]);
    assert_eq!(again.text, first.text);
    assert_eq!(again.read_tokens, 1, "all of it was still held");
    let mut without = bench.conversation(&greedy(8));
    let mut cpu = CpuExecutor::new(1).unwrap();
    assert!(say(&mut without, &mut cpu, TURNS[0]).read_tokens < first.read_tokens);
}

#[test]
fn what_cannot_be_done_is_said_at_the_start() {
    let system = ConversationOptions {
        system: Some("x".to_string()),
        ..greedy(1)
    };
    let strict =
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}x";
    let bench = Bench::with(strict, "config.json", |_| {});
    assert!(bench.refused(&system).contains("no system"));
    bench.conversation(&greedy(1));
    assert!(bench.refused(&greedy(0)).contains("at least 1"));
    let hot = Sampling {
        temperature: -1.0,
        ..Sampling::GREEDY
    };
    let hot = ConversationOptions {
        sampling: hot,
        ..greedy(1)
    };
    assert!(bench.refused(&hot).contains("temperature -1"));
    let mut silent = Bench::with("", "config.json", |_| {});
    let mut c = Conversation::new(&silent.model, &silent.tokenizer, &system).unwrap();
    let nothing = c.answer(&mut silent.cpu, "x", &mut |_| unreachable!());
    assert!(matches!(nothing, Err(ConversationError::EmptyPrompt)));
}

#[test]
fn an_end_of_turn_token_ends_answers_beside_the_model_s_own() {
    let no_eos = |json: &mut serde_json::Value| json["eos_token_id"] = serde_json::json!([]);
    let bench = Bench::with(TEMPLATE, "generation_config.json", no_eos);
    let c = bench.conversation(&greedy(1));
    assert_eq!(c.stop_ids.last(), Some(&1), "{:?}", c.stop_ids);
}

#[test]
fn wishes_win_over_the_checkpoint() {
    let mut config = GenerationConfig {
        temperature: Some(0.6),
        top_p: Some(0.9),
        ..GenerationConfig::default()
    };
    let wishes = SamplingWishes::default();
    assert_eq!(wishes.resolve(&config).temperature, 0.0, "do_sample is off");
    config.do_sample = true;
    let sampling = wishes.resolve(&config);
    assert_eq!((sampling.temperature, sampling.top_p), (0.6, Some(0.9)));
    config.temperature = None;
    assert_eq!(wishes.resolve(&config).temperature, 1.0);
    let wishes = SamplingWishes {
        temperature: Some(0.0),
        top_k: Some(3),
        top_p: Some(0.5),
        seed: 7,
    };
    let sampling = wishes.resolve(&config);
    assert_eq!((sampling.temperature, sampling.top_k), (0.0, Some(3)));
    assert_eq!((sampling.top_p, sampling.seed), (Some(0.5), 7));
}
