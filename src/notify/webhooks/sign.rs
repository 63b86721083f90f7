//! Signatures as Standard Webhooks has them (specification 1.0): HMAC-SHA256 over id, time and payload.

use data_encoding::BASE64;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::notify::sms::sign::hmac_sha256;

/// What events are signed with. It cannot be printed.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl SigningKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

/// The header `webhook-signature`: one signature for each key, so that a receiver that knows either takes the event.
/// The time is the sending's, not the event's: receivers refuse what is older than minutes.
#[must_use]
pub fn signatures(keys: &[SigningKey], id: &str, at: Timestamp, payload: &str) -> String {
    let signed = format!("{id}.{}.{payload}", at.as_second());
    let one = |key: &SigningKey| format!("v1,{}", BASE64.encode(&hmac_sha256(&key.0, signed.as_bytes())));
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::notify::webhooks::settings::read_key;

    #[test]
    fn the_example_of_the_specification_comes_out() {
        // From the tests of its reference libraries.
        let key = read_key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).ok().unwrap();
        let (id, payload) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(std::slice::from_ref(&key), id, at, payload), signature);
        assert_eq!(signatures(&[key.clone(), key], id, at, payload), format!("{signature} {signature}"));
    }
}
