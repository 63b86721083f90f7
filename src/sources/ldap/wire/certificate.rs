//! What a certificate says of itself, for whoever must look at it: names, time, fingerprint.
//!
//! It only reads: whether a certificate is trusted is decided in `tls` and `pin`. Texts come from a server that
//! is not trusted yet, so they are cut and cannot break a line.

use std::net::IpAddr;

use data_encoding::HEXUPPER;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::error::bounded;
use crate::base::secret::sha256;

/// Certificates of a chain that are looked at.
const CHAIN_MAX: usize = 8;
/// Names of one certificate that are looked at.
const NAMES_MAX: usize = 50;
/// Longest certificate that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;

/// One certificate of the chain that a server presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it is for, as a distinguished name.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Its subject alternative names: hosts and addresses.
    pub names: Vec<String>,
    /// Since when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// SHA-256 of the whole certificate, as `tls_pin` takes it.
    pub sha256: String,
}

impl CertificateFacts {
    /// Reads one certificate; `None` where the bytes are none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let certificate = parse(der)?;
        let validity = certificate.validity();
        Some(Self {
            subject: bounded(&certificate.subject().to_string()),
            issuer: bounded(&certificate.issuer().to_string()),
            names: names(&certificate),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
            sha256: shown(&sha256(der)),
        })
    }

    /// The whole days until it runs out; negative once it has.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.not_after.as_second().saturating_sub(now.as_second()).div_euclid(24 * 60 * 60)
    }
}

/// The certificates of a chain that can be read, the server's own first.
pub(crate) fn chain(presented: &[CertificateDer<'_>]) -> Vec<CertificateFacts> {
    presented.iter().take(CHAIN_MAX).filter_map(|certificate| CertificateFacts::read(certificate)).collect()
}

/// Takes the bytes apart.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    if der.len() > LONGEST {
        return None;
    }
    x509_parser::parse_x509_certificate(der).ok().map(|(_, certificate)| certificate)
}

/// A fingerprint as people compare it: hex digits in pairs.
pub(crate) fn shown(fingerprint: &[u8; 32]) -> String {
    fingerprint.iter().map(|byte| HEXUPPER.encode(&[*byte])).collect::<Vec<_>>().join(":")
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(host) => Some(bounded(host)),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).take(NAMES_MAX).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Valid from 2026-11-25 to 2036-11-22, with two hosts, two addresses and an email address.
    const SAMPLE: &str = "MIICEDCCAbagAwIBAgIUfp96zxxKFdtY4TPxOxV3zsZVH+MwCgYIKoZIzj0EAwIw\
        MzEWMBQGA1UECgwNRXhhbXBsZSwgSW5jLjEZMBcGA1UEAwwQbGRhcC5leGFtcGxl\
        Lm9yZzAeFw0yNjExMjUxNjE3NTdaFw0zNjExMjIxNjE3NTdaMDMxFjAUBgNVBAoM\
        DUV4YW1wbGUsIEluYy4xGTAXBgNVBAMMEGxkYXAuZXhhbXBsZS5vcmcwWTATBgcq\
        hkjOPQIBBggqhkjOPQMBBwNCAAT0N8QPs/ZhgateTxXU4DzpRYzusJD+FNTsjwUv\
        AHLxNFB1ZTNgT58c40oTFik49pjiOhDUuBJW/iU4VKNUZqE6o4GnMIGkMB0GA1Ud\
        DgQWBBRqjw60mCXxrmBjt1HXhT3uR7M9NjAfBgNVHSMEGDAWgBRqjw60mCXxrmBj\
        t1HXhT3uR7M9NjAPBgNVHRMBAf8EBTADAQH/MFEGA1UdEQRKMEiCEGxkYXAuZXhh\
        bXBsZS5vcmeCDSouZXhhbXBsZS5vcmeHBMAAAgeHECABDbgAAAAAAAAAAAAAAAeB\
        DWFAZXhhbXBsZS5vcmcwCgYIKoZIzj0EAwIDSAAwRQIhANsz/XNyLQoakRHQoTMf\
        iniBSCrZhgm5TvrG+QjorxsgAiANl4541aak90rnLiPmiJbz29kGzAauMr7AxC02\
        zI4dHw==";
    /// What openssl gives as its fingerprint.
    pub(crate) const SHA256: &str =
        "C2:BF:80:56:F5:24:E3:A8:EE:C7:1F:FB:EA:E8:1D:72:5D:DE:69:CF:23:2C:10:84:B3:14:F4:0C:F6:59:82:64";

    pub(crate) fn sample() -> Vec<u8> {
        data_encoding::BASE64.decode(SAMPLE.as_bytes()).unwrap()
    }

    #[test]
    fn a_certificate_is_told_as_openssl_tells_it() {
        let facts = CertificateFacts::read(&sample()).unwrap();
        assert_eq!(facts.subject, "O=Example, Inc., CN=ldap.example.org");
        assert_eq!(facts.issuer, facts.subject);
        assert_eq!(facts.names, ["ldap.example.org", "*.example.org", "192.0.2.7", "2001:db8::7"]);
        assert_eq!(facts.not_before.to_string(), "2026-11-25T16:17:57Z");
        assert_eq!(facts.not_after.to_string(), "2036-11-22T16:17:57Z");
        assert_eq!(facts.sha256, SHA256);
    }

    #[test]
    fn days_are_counted_down_to_the_end_and_past_it() {
        let facts = CertificateFacts::read(&sample()).unwrap();
        let left = |at: &str| facts.days_left(at.parse().unwrap());
        assert_eq!(left("2036-11-21T16:17:57Z"), 1);
        assert_eq!(left("2036-11-21T16:17:58Z"), 0);
        assert_eq!(left("2036-11-22T16:17:58Z"), -1);
    }

    #[test]
    fn what_is_no_certificate_is_left_out_of_the_chain() {
        let (good, bad) = (CertificateDer::from(sample()), CertificateDer::from(vec![0x30; 100]));
        assert_eq!(chain(&[bad.clone(), good.clone()]).len(), 1);
        assert_eq!(chain(&vec![good; 20]).len(), CHAIN_MAX);
        assert_eq!(CertificateFacts::read(&vec![0; LONGEST + 1]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, damage: Vec<(proptest::sample::Index, u8)>) {
            let _ = CertificateFacts::read(&bytes);
            let mut certificate = sample();
            for (index, byte) in damage {
                let index = index.index(certificate.len());
                certificate[index] = byte;
            }
            let _ = CertificateFacts::read(&certificate);
        }
    }
}
