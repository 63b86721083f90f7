//! Messages that wait or were given up, and a test of mail. What a message says (a link, a code) is never shown, and of
//! where it goes only enough for its owner to know it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::clock::plus;
use crate::base::text;
use crate::directory::audit::{Author, Target};
use crate::directory::field::Email;
use crate::directory::message::{Body as Said, Message, Via};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment, cut};
use crate::http::state::{App, TriedMail};
use crate::store::StoreError;
use crate::store::audit::{self, Entry};
use crate::store::outbox::fate;
use crate::store::outbox::undelivered::{self, Undelivered};
use crate::store::outbox::{self, MessageId, Wished};
use crate::store::tx::{Reads, Tx};

/// How long a test may be on its way.
const LIFE: Duration = Duration::from_secs(300);

/// A page of the messages that wait (`state=waiting`, oldest first) or were given up (`state=failed`, newest first),
/// after one of them (`cursor`).
pub async fn list(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let after = parameters.cursor()?.map(MessageId);
    let (view, limit) = (app.store.view(), parameters.limit()?);
    let most = limit.saturating_add(1);
    let mut items = match parameters.get("state") {
        None | Some("waiting") => waiting(&view, after, most)?,
        Some("failed") => failed(&view, after, most)?,
        Some(_) => return Err(Problem::field("state", "unknown", "is none of waiting, failed")),
    };
    let next = cut(&mut items, limit, |item| item.get("id").cloned());
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

fn waiting(reads: &dyn Reads, after: Option<MessageId>, limit: usize) -> Result<Vec<Value>, StoreError> {
    let shown = |(id, message): outbox::Opened| match message {
        Ok(message) => {
            let mut item = shown(id, &message);
            set(&mut item, "next_try", json!(message.due_at));
            item
        }
        Err(error) => unreadable(id, &error),
    };
    Ok(outbox::page(reads, after, limit)?.into_iter().map(shown).collect())
}

fn failed(reads: &dyn Reads, before: Option<MessageId>, limit: usize) -> Result<Vec<Value>, StoreError> {
    let shown = |(id, record): undelivered::Opened| match record {
        Ok(Undelivered { at, outcome, message }) => {
            let mut item = shown(id, &message);
            set(&mut item, "failed_at", json!(at));
            set(&mut item, "outcome", json!(outcome));
            item
        }
        Err(error) => unreadable(id, &error),
    };
    Ok(undelivered::page(reads, before, limit)?.into_iter().map(shown).collect())
}

fn shown(id: MessageId, message: &Message) -> Value {
    json!({
        // A text: numbers of this size are not safe in every JSON reader.
        "id": id.0.to_string(),
        "kind": message.body.kind(),
        "via": message.via(),
        "user": message.user,
        "to": if message.via() == Via::Webhook { message.to.clone() } else { text::masked(&message.to) },
        "created_at": message.created_at,
        "expires_at": message.expires_at,
        "attempts": message.attempts,
        "last_error": message.last_error,
    })
}

fn unreadable(id: MessageId, error: &StoreError) -> Value {
    json!({"id": id.0.to_string(), "kind": null, "last_error": error.to_string()})
}

fn set(item: &mut Value, name: &str, value: Value) {
    if let Some(members) = item.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// A message is tried again as soon as possible, whether it waits or was given up.
pub async fn retry(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<String>,
) -> Result<StatusCode, Problem> {
    wish(&app, &caller, &id, "message.retried", outbox::retry).await?;
    app.send_soon();
    Ok(StatusCode::ACCEPTED)
}

/// A message is sent no more.
pub async fn discard(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<String>,
) -> Result<StatusCode, Problem> {
    wish(&app, &caller, &id, "message.dropped", outbox::discard).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fulfils a wish about one message, with a line in the audit trail.
async fn wish(
    app: &App,
    caller: &Caller,
    id: &str,
    action: &'static str,
    rule: fn(&mut Tx<'_>, MessageId) -> Result<Wished, StoreError>,
) -> Result<(), Problem> {
    let id = id.parse().map(MessageId).map_err(|_| Problem::not_found("message"))?;
    let author = caller.author();
    let write = move |tx: &mut Tx<'_>| -> Result<Wished, StoreError> {
        let mut entry = Entry::new(action, Target::Directory);
        entry.details.insert("message".to_owned(), id.0.to_string().into());
        // One that does not open can be dropped too; then there is no more to say of it.
        if let Ok(Some(message)) = find(tx, id) {
            entry.details.insert("kind".to_owned(), message.body.kind().into());
            entry.details.insert("to".to_owned(), text::masked(&message.to).into());
        }
        let wished = rule(tx, id)?;
        if wished == Wished::Done {
            audit::append(tx, &author, entry)?;
        }
        Ok(wished)
    };
    match app.store.write(write).await? {
        Wished::Done => Ok(()),
        Wished::Unknown => Err(Problem::not_found("message")),
        Wished::Over => {
            let detail = "the message's end has come: what it says is of no use any more; have a new one sent";
            Err(Problem::new(StatusCode::CONFLICT, "message_over", detail))
        }
    }
}

fn find(reads: &dyn Reads, id: MessageId) -> Result<Option<Message>, StoreError> {
    match undelivered::get(reads, id)? {
        Some(record) => Ok(Some(record.message)),
        None => outbox::get(reads, id),
    }
}

/// Where to send a test.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The address.
    #[schemars(with = "Email")]
    to: String,
}

/// Sends one mail at once, and tells what the server said.
pub async fn test(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Json<TriedMail>, Problem> {
    let to = Email::parse(&wish.to).map_err(|mut fault| {
        "to".clone_into(&mut fault.field);
        Problem::fields(vec![fault])
    })?;
    let missing = || Problem::new(StatusCode::CONFLICT, "no_mail", "no [mail] is configured");
    let mails = app.mails.clone().ok_or_else(missing)?;
    note_test(&app, caller.author(), &to).await?;
    let now = app.store.clock().now();
    let message = Message::to_address(to.as_str(), Said::MailTest, now, plus(now, LIFE));
    // A task of its own: a caller who hangs up does not cut it in half.
    let trying = tokio::spawn(async move { mails.test(message).await });
    let tried = trying.await.map_err(|_| StoreError::Stopped)?;
    if tried.accepted {
        app.store.write(|tx: &mut Tx<'_>| fate::accepted(tx, Via::Mail)).await?;
    }
    Ok(Json(tried))
}

async fn note_test(app: &App, author: Author, to: &Email) -> Result<(), StoreError> {
    let mut entry = Entry::new("mail.tested", Target::Directory);
    entry.details.insert("to".to_owned(), text::masked(to.as_str()).into());
    app.store.write(move |tx: &mut Tx<'_>| audit::append(tx, &author, entry.clone())).await
}
