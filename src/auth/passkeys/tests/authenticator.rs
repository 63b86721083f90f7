//! An authenticator of the tests' own: it makes and signs whatever it is told to, also what no honest one would.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Flags of the authenticator data (WebAuthn Level 3 §6.1).
pub(crate) const PRESENT: u8 = 0x01;
pub(crate) const VERIFIED: u8 = 0x04;
pub(crate) const ELIGIBLE: u8 = 0x08;
pub(crate) const BACKED_UP: u8 = 0x10;
pub(crate) const ATTESTED: u8 = 0x40;
pub(crate) const EXTENDED: u8 = 0x80;

/// A P-256 key of these tests (PKCS #8).
const KEY: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420f56952ef63a31950c44f7622d4a6a\
                   41c00ec9d810321a5e56017f7fad48efafaa14403420004bd4d6c6d248ef0feddfe8416b47dc67d36a890ac057d959a8ed909\
                   95d7dc59ad93578c60fd4d59e894fa6733e540c761956d6589b85f489877cfb46116c73e84";

/// A passkey and what it says of itself.
#[derive(Clone)]
pub(crate) struct Authenticator {
    key: Arc<dyn SigningKey>,
    point: Vec<u8>,
    pub(crate) id: Vec<u8>,
    pub(crate) rp_id: String,
    pub(crate) origin: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
}

/// What will be signed, as long as it can still be changed.
pub(crate) struct Draft {
    pub(crate) client: Value,
    pub(crate) rp_id: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) id: Vec<u8>,
    pub(crate) handle: Option<Vec<u8>>,
    pub(crate) extensions: Vec<u8>,
    pub(crate) format: &'static str,
    pub(crate) algorithm: i8,
}

impl Authenticator {
    /// One with the key of these tests.
    pub(crate) fn new(rp_id: &str, origin: &str) -> Self {
        let key = HEXLOWER.decode(KEY.replace(' ', "").as_bytes()).unwrap();
        Self::with_key(&key, rp_id, origin, b"a credential of the tests")
    }

    /// One with a key (PKCS #8) that a browser gave out.
    pub(crate) fn with_key(pkcs8: &[u8], rp_id: &str, origin: &str, id: &[u8]) -> Self {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
        // The public key is the last of what PKCS #8 holds: an uncompressed point.
        let point = pkcs8[pkcs8.len() - 64..].to_vec();
        Self {
            key: any_ecdsa_type(&der).unwrap(),
            point,
            id: id.to_vec(),
            rp_id: rp_id.to_owned(),
            origin: origin.to_owned(),
            flags: PRESENT | VERIFIED,
            counter: 0,
        }
    }

    fn draft(&self, kind: &str, options: &Value) -> Draft {
        Draft {
            client: json!({
                "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
            }),
            rp_id: self.rp_id.clone(),
            flags: self.flags,
            counter: self.counter,
            id: self.id.clone(),
            handle: None,
            extensions: Vec::new(),
            format: "none",
            algorithm: -7,
        }
    }

    /// Answers `navigator.credentials.create()`.
    pub(crate) fn create(&self, options: &Value, edit: impl FnOnce(&mut Draft)) -> Value {
        let mut draft = self.draft("webauthn.create", options);
        draft.flags |= ATTESTED;
        edit(&mut draft);
        let mut data = draft.head();
        data.extend([0; 16]);
        data.extend(u16::try_from(draft.id.len()).unwrap().to_be_bytes());
        data.extend(&draft.id);
        data.extend(self.cose(draft.algorithm));
        data.extend(&draft.extensions);
        let mut object = vec![0xa3];
        object.extend([cbor_text("fmt"), cbor_text(draft.format), cbor_text("attStmt"), vec![0xa0]].concat());
        object.extend([cbor_text("authData"), cbor_bytes(&data)].concat());
        let id = encode(&draft.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": true}},
            "response": {
                "clientDataJSON": encode(draft.client.to_string().as_bytes()),
                "attestationObject": encode(&object),
                "transports": ["internal", "telepathy", "internal"],
            },
        })
    }

    /// Answers `navigator.credentials.get()`.
    pub(crate) fn get(&self, options: &Value, edit: impl FnOnce(&mut Draft)) -> Value {
        let mut draft = self.draft("webauthn.get", options);
        edit(&mut draft);
        let data = [draft.head(), draft.extensions].concat();
        let client = draft.client.to_string();
        let id = encode(&draft.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encode(client.as_bytes()),
                "authenticatorData": encode(&data),
                "signature": encode(&self.sign(&data, client.as_bytes())),
                "userHandle": draft.handle.as_deref().map(encode),
            },
        })
    }

    /// The signature over authenticator data and client data (§7.2 step 21).
    pub(crate) fn sign(&self, data: &[u8], client: &[u8]) -> Vec<u8> {
        let signer = self.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
        signer.sign(&[data, &Sha256::digest(client)[..]].concat()).unwrap()
    }

    /// The public key (RFC 9052 §7, RFC 9053 §7.1): kty EC2, alg, crv P-256, x, y.
    fn cose(&self, algorithm: i8) -> Vec<u8> {
        let algorithm = u8::try_from(-1 - i16::from(algorithm)).unwrap();
        assert!(algorithm < 24, "a small one");
        let (x, y) = self.point.split_at(32);
        let head = [0xa5, 0x01, 0x02, 0x03, 0x20 | algorithm, 0x20, 0x01, 0x21];
        [&head[..], &cbor_bytes(x), &[0x22], &cbor_bytes(y)].concat()
    }
}

impl Draft {
    fn head(&self) -> Vec<u8> {
        let mut data = Sha256::digest(self.rp_id.as_bytes()).to_vec();
        data.push(self.flags);
        data.extend(self.counter.to_be_bytes());
        data
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

pub(crate) fn decode(text: &Value) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_str().unwrap().as_bytes()).unwrap()
}

/// A text (major type 3) of fewer than 24 bytes.
pub(crate) fn cbor_text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 24, "a short one");
    [&[0x60 | length], text.as_bytes()].concat()
}

/// Bytes (major type 2) with two bytes of length.
fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0x59][..], &length, bytes].concat()
}
