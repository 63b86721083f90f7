//! A TCP proxy in front of a healthy server that makes the way there fail, in a way chosen at any time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to connections; a change reaches the open ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// Connections are closed as soon as they are there.
    Refuse,
    /// Connections are taken, and nothing ever comes back.
    Stall,
    /// The connection ends after so many bytes from the server.
    CutAfter(usize),
    /// Nothing more comes after so many bytes from the server.
    StallAfter(usize),
    /// So many bytes from the server at a time, with this pause between them.
    Drip(usize, Duration),
}

/// The number of a connection, and below which number connections are silent.
type Number = (usize, Arc<AtomicUsize>);

/// A running proxy; ends when dropped.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    /// Connections with a lower number than this are silent for ever.
    frozen: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on 127.0.0.1 and passes on to a port of 127.0.0.1.
    pub(crate) async fn start(target: u16) -> Self {
        Self::start_on("127.0.0.1", target).await
    }

    /// Listens on another loopback address.
    pub(crate) async fn start_on(host: &str, target: u16) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, seen) = watch::channel(Fault::Pass);
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let frozen = Arc::new(AtomicUsize::new(0));
        let below = Arc::clone(&frozen);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(client, target, seen.clone(), (number, Arc::clone(&below))));
            }
        });
        Self { address, fault, frozen, accepted, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// From now on nothing comes back on the connections there are; new ones work.
    pub(crate) fn freeze(&self) {
        self.frozen.store(self.accepted(), Ordering::SeqCst);
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(client: TcpStream, target: u16, fault: watch::Receiver<Fault>, number: Number) {
    if *fault.borrow() == Fault::Refuse {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let mut refused = fault.clone();
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = down(from_server, to_client, fault, number) => {}
        _ = refused.wait_for(|fault| *fault == Fault::Refuse) => {}
    }
}

async fn down(
    mut server: impl AsyncReadExt + Unpin,
    mut client: impl AsyncWriteExt + Unpin,
    mut fault: watch::Receiver<Fault>,
    (number, frozen): Number,
) {
    let mut chunk = vec![0; 4096];
    let mut passed = 0_usize;
    loop {
        let count = match server.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        if number < frozen.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let mut rest = &chunk[..count];
        while !rest.is_empty() {
            let now = *fault.borrow_and_update();
            let most = match now {
                Fault::Pass => rest.len(),
                Fault::Refuse => return,
                Fault::Stall => 0,
                Fault::CutAfter(limit) if passed >= limit => {
                    // Ended in order: a reset would take back what was passed on and not read yet.
                    let _ = client.shutdown().await;
                    return std::future::pending().await;
                }
                Fault::CutAfter(limit) | Fault::StallAfter(limit) => limit.saturating_sub(passed),
                Fault::Drip(step, pause) => {
                    tokio::time::sleep(pause).await;
                    step
                }
            };
            if most == 0 {
                if fault.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let (piece, after) = rest.split_at(most.min(rest.len()));
            if client.write_all(piece).await.is_err() {
                return;
            }
            passed += piece.len();
            rest = after;
        }
    }
}
