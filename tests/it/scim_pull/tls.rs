//! A service over TLS: its certificate is verified, always.

use std::net::SocketAddr;
use std::sync::Arc;

use musterd::base::certificates::SeenCertificates;
use musterd::sources::PullError;
use musterd::sources::scim_pull::Settings;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{pull, settings, source};
use crate::harness::certificates::file;
use crate::harness::fake_scim::{FakeScim, Service};

/// A port of this machine where the fake is behind TLS with a certificate.
async fn behind_tls(fake: &FakeScim, certificate: &str) -> SocketAddr {
    let chain =
        CertificateDer::pem_file_iter(file(&format!("{certificate}.pem"))).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let behind = fake.url.trim_start_matches("http://").trim_end_matches("/v2").to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(behind).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut tls, &mut plain).await);
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_by_the_authority_that_is_named() {
    let fake = FakeScim::start(Service::with_users(3));
    let (good, expired) = (behind_tls(&fake, "server").await, behind_tls(&fake, "expired").await);
    let at = |address: SocketAddr, ca: Option<&str>| Settings {
        url: format!("https://{address}/v2"),
        ca_file: ca.map(file),
        ..settings(&fake)
    };
    let seen = SeenCertificates::default();
    let service = source(at(good, Some("ca.pem"))).noting_certificates(&seen);
    assert_eq!(pull(&service).await.unwrap().users.len(), 3);
    assert_eq!(seen.list().len(), 1, "until when the service's is good is known");
    fake.take();
    for (settings, word) in [(at(good, Some("other.pem")), "set ca_file"), (at(expired, Some("ca.pem")), "expired")] {
        match pull(&source(settings)).await {
            Err(PullError::Misconfigured(why)) => assert!(why.contains(word), "{why} has no {word}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(fake.take().iter().all(|asked| asked.authorization.is_empty()), "no token without TLS");
}
