//! A message centre by SMPP 3.4: bind as transmitter, submit, unbind; one connection for each text.
//!
//! The library reads and writes frames; what comes is bounded before it is read. Nothing was sent before the first
//! `submit_sm` has left; what happens after that, without an answer, is not known.

use std::sync::Arc;

use rusmpp::extra::concatenation::SubmitSmMultipartExt;
use rusmpp::extra::encoding::ucs2::Ucs2;
use rusmpp::pdus::{BindTransmitter, SubmitSm};
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::values::{EsmClass, InterfaceVersion, Npi, Ton};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use super::call::KEYS;
use super::settings::{Fault, Provider, Smpp as Settings};
use super::{ProviderId, SendError, SmsProvider, Text};
use crate::base::certificates::SeenCertificates;
use crate::base::rng::Rng;
use crate::notify::channel::Answer;
use crate::web::client::{Stream, connect};
use crate::web::place::Place;
use crate::web::tls::Tls;

/// Most bytes of a frame.
const FRAME_MAX: usize = 8 * 1024;
/// Frames that are none of ours, before the answer that is waited for.
const OTHERS_MAX: usize = 64;
/// Most characters of a text in GSM 03.38: with the header of a part, 153 are left (3GPP TS 23.040 §9.2.3.24.1).
const GSM_MAX: usize = 159;
/// Most bytes of a text in UCS-2.
const UCS2_MAX: usize = 140;

pub(super) struct Smpp {
    name: String,
    settings: Provider,
    smpp: Settings,
    place: Place,
    tls: Tls,
    rng: Rng,
}

/// Why there is no answer, in words.
struct Lost(String);

/// One connection.
struct Session {
    stream: Box<dyn Stream>,
    codec: CommandCodec,
    buffer: BytesMut,
    sequence: u32,
}

impl Session {
    async fn write(&mut self, command: &Command) -> Result<(), Lost> {
        let mut bytes = BytesMut::new();
        self.codec.encode(command, &mut bytes).map_err(|_| Lost("a frame cannot be written".to_owned()))?;
        let lost = |error: std::io::Error| Lost(format!("the connection was lost: {error}"));
        self.stream.write_all(&bytes).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)
    }

    async fn read(&mut self) -> Result<Command, Lost> {
        loop {
            let decoded = self.codec.decode(&mut self.buffer);
            if let Some(command) = decoded.map_err(|_| Lost("the centre sent what is no SMPP".to_owned()))? {
                return Ok(command);
            }
            let read = self.stream.read_buf(&mut self.buffer).await;
            if read.map_err(|error| Lost(format!("the connection was lost: {error}")))? == 0 {
                return Err(Lost("the centre closed the connection".to_owned()));
            }
        }
    }

    /// Asks, and waits for the answer to it. What the centre asks meanwhile is answered.
    async fn ask(&mut self, pdu: impl Into<Pdu>, answer: CommandId) -> Result<Command, Lost> {
        self.sequence = self.sequence.saturating_add(1);
        let sequence = self.sequence;
        self.write(&Command::new(CommandStatus::EsmeRok, sequence, pdu)).await?;
        for _ in 0..OTHERS_MAX {
            let command = self.read().await?;
            let id = command.id();
            if command.sequence_number == sequence && (id == answer || id == CommandId::GenericNack) {
                return Ok(command);
            }
            if id == CommandId::EnquireLink {
                let alive = Command::new(CommandStatus::EsmeRok, command.sequence_number, Pdu::EnquireLinkResp);
                self.write(&alive).await?;
            }
        }
        Err(Lost("the centre talks of other things".to_owned()))
    }
}

impl Smpp {
    pub(super) fn new(settings: &Provider, smpp: &Settings, rng: &Rng) -> Result<Self, Fault> {
        let place = Place::smpp(&smpp.host, smpp.port, smpp.tls).map_err(|problem| ("host", problem))?;
        Ok(Self {
            name: settings.name.clone(),
            settings: settings.clone(),
            smpp: smpp.clone(),
            place,
            tls: Tls::new(settings.ca_file.clone()),
            rng: rng.clone(),
        })
    }

    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        let parts = self.parts(text).map_err(SendError::refused)?;
        // Set when the first part is about to leave.
        let mut begun = false;
        let all = timeout(self.settings.timeout, self.submit(parts, &mut begun)).await;
        let limit = self.settings.timeout;
        let sent = all.unwrap_or_else(|_| Err(Err(Lost(format!("no answer within {limit:?} (timeout)")))));
        match sent {
            Ok(id) => Ok(id),
            Err(Ok(error)) => Err(error),
            Err(Err(Lost(why))) if begun => Err(SendError::unsure(format!("{}: {why}", self.place))),
            Err(Err(Lost(why))) => Err(SendError::busy(format!("{}: {why}", self.place), None)),
        }
    }

    /// The inner result of an error is one that the centre told.
    async fn submit(&self, parts: Vec<SubmitSm>, begun: &mut bool) -> Result<ProviderId, Result<SendError, Lost>> {
        let mut session = self.connect().await.map_err(Err)?;
        let bound = session.ask(self.bind().map_err(Ok)?, CommandId::BindTransmitterResp).await.map_err(Err)?;
        if bound.status != CommandStatus::EsmeRok {
            return Err(Ok(told("the centre refuses the bind", bound.status, false)));
        }
        let mut id = String::new();
        for part in parts {
            let first = !*begun;
            *begun = true;
            let answer = session.ask(part, CommandId::SubmitSmResp).await.map_err(Err)?;
            if answer.status != CommandStatus::EsmeRok {
                return Err(Ok(told("the centre refuses the text", answer.status, !first)));
            }
            if let (true, Some(Pdu::SubmitSmResp(taken))) = (first, answer.pdu()) {
                let plain = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
                id = taken.message_id().as_str().chars().filter(plain).take(64).collect();
            }
        }
        // It was taken; how the goodbye goes does not matter.
        drop(timeout(self.settings.connect_timeout, session.ask(Pdu::Unbind, CommandId::UnbindResp)).await);
        Ok(id)
    }

    async fn connect(&self) -> Result<Session, Lost> {
        let limit = self.settings.connect_timeout;
        let connecting = async {
            let tls = if self.place.tls { Some(self.tls.config().await.map_err(Lost)?) } else { None };
            let opened = connect(&self.place, tls.as_ref().map(Arc::clone).as_ref(), &KEYS).await;
            opened.map(|(stream, _)| stream).map_err(|error| Lost(error.to_string()))
        };
        let late = || Lost(format!("no connection within {limit:?} (connect_timeout)"));
        let stream = timeout(limit, connecting).await.map_err(|_| late())??;
        let codec = CommandCodec::new().with_max_length(FRAME_MAX);
        Ok(Session { stream, codec, buffer: BytesMut::new(), sequence: 0 })
    }

    fn bind(&self) -> Result<BindTransmitter, SendError> {
        let unusable = |_| SendError::refused("system_id, password or system_type cannot stand in a bind");
        Ok(BindTransmitter::builder()
            .system_id(self.smpp.system_id.parse().map_err(unusable)?)
            .password(self.smpp.password.expose().parse().map_err(unusable)?)
            .system_type(self.smpp.system_type.parse().map_err(unusable)?)
            .interface_version(InterfaceVersion::Smpp3_4)
            .build())
    }

    /// The text in one part or several: in GSM 03.38 where that can write it, else in UCS-2.
    fn parts(&self, text: &Text) -> Result<Vec<SubmitSm>, String> {
        let unusable = |_| "the sender or the number cannot stand in a submit_sm".to_owned();
        let (from, ton, npi) = sender(&self.smpp.from);
        let empty = SubmitSm::builder()
            // The library's own default says that it is an acknowledgement (SMPP 3.4 §5.2.12).
            .esm_class(EsmClass::from(0))
            .source_addr_ton(ton)
            .source_addr_npi(npi)
            .source_addr(from.parse().map_err(unusable)?)
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(text.to.trim_start_matches('+').parse().map_err(unusable)?)
            .build();
        let [reference] = self.rng.bytes::<1>();
        let words = text.text.expose();
        let gsm = empty.clone().multipart(words).reference_u8(reference).max_short_message_size(GSM_MAX).build();
        match gsm {
            Ok(parts) if !self.smpp.ucs2 => Ok(parts),
            _ => empty
                .multipart(words)
                .reference_u8(reference)
                .encoder(Ucs2::new())
                .max_short_message_size(UCS2_MAX)
                .build()
                .map_err(|_| "the text is too long".to_owned()),
        }
    }
}

/// A sender as SMPP has it: an international number, a short number, or a name (SMPP 3.4 §5.2.5).
fn sender(from: &str) -> (&str, Ton, Npi) {
    match from.strip_prefix('+') {
        Some(number) => (number, Ton::International, Npi::Isdn),
        None if from.is_empty() => (from, Ton::Unknown, Npi::Unknown),
        None if from.bytes().all(|byte| byte.is_ascii_digit()) => (from, Ton::NetworkSpecific, Npi::Unknown),
        None => (from, Ton::Alphanumeric, Npi::Unknown),
    }
}

/// What a status means (SMPP 3.4 §5.1.3). Once a part was taken, the text has left in part.
fn told(what: &str, status: CommandStatus, partly: bool) -> SendError {
    let text = format!("{what}: {status:?}");
    match status {
        _ if partly => SendError::unsure(text),
        CommandStatus::EsmeRthrottled | CommandStatus::EsmeRmsgqful | CommandStatus::EsmeRalybnd => {
            SendError::busy(text, None)
        }
        // The centre's own fault may come after the text has left.
        CommandStatus::EsmeRsyserr | CommandStatus::EsmeRunknownerr => SendError::unsure(text),
        _ => SendError::refused(text),
    }
}

impl SmsProvider for Smpp {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "smpp"
    }

    fn note_certificates(&self, seen: &SeenCertificates) {
        self.tls.note_in(seen);
    }

    fn send<'a>(&'a self, text: &'a Text) -> Answer<'a, Result<ProviderId, SendError>> {
        Box::pin(self.send(text))
    }
}
