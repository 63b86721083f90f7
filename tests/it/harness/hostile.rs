//! A server that answers the first requests of each connection with fixed bytes, whatever they are.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running hostile server on 127.0.0.1; ends when dropped.
pub(crate) struct Hostile {
    pub(crate) port: u16,
    /// Everything that clients sent.
    pub(crate) received: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Hostile {
    /// Answers the first request with these bytes and then only listens.
    pub(crate) async fn answering(bytes: Vec<u8>) -> Self {
        Self::answering_each(vec![bytes]).await
    }

    /// Answers as many requests with these bytes, one after the other, and then only listens.
    pub(crate) async fn answering_each(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (sink, answers) = (Arc::clone(&received), Arc::new(answers));
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (sink, answers) = (Arc::clone(&sink), Arc::clone(&answers));
                tokio::spawn(async move {
                    let mut chunk = vec![0; 4096];
                    let mut answers = answers.iter();
                    while let Ok(count @ 1..) = client.read(&mut chunk).await {
                        sink.lock().unwrap().extend_from_slice(&chunk[..count]);
                        let Some(answer) = answers.next() else { continue };
                        if client.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, received, task }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One BER element with a length of four bytes.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [vec![tag, 0x84], length.to_be_bytes().to_vec(), content.to_vec()].concat()
}

/// An LDAP message with message id 1.
pub(crate) fn message(operation: Vec<u8>) -> Vec<u8> {
    numbered(1, operation)
}

/// An LDAP message with another message id.
pub(crate) fn numbered(id: u8, operation: Vec<u8>) -> Vec<u8> {
    element(0x30, &[element(0x02, &[id]), operation].concat())
}
