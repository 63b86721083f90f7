//! `serve`: the daemon from start to drain. `verify`: a look at a store that no daemon runs on.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use sd_notify::NotifyState;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::output;
use crate::app::{Daemon, logging};
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::base::secret::Secret;
use crate::config::Loaded;
use crate::store::upkeep::folder::holds_a_store;
use crate::store::{Store, StoreError, verify};

pub(super) fn serve(loaded: Loaded) -> anyhow::Result<ExitCode> {
    logging::start(&loaded.settings.log).map_err(|error| anyhow!(error))?;
    loaded.doubts.iter().for_each(|doubt| tracing::warn!("{doubt}"));
    let store = Store::open(&loaded.settings.store, Clock::system(), Rng::system())?;
    let folder = loaded.settings.store.folder.display().to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // First: whoever sees the doors open may want it to stop at once, and in order.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let daemon = Daemon::build(loaded, store).await.map_err(|error| anyhow!(error))?;
        welcome(&daemon, &folder);
        let stop = CancellationToken::new();
        let stopper = stop.clone();
        let waiting = tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = stopper.cancelled() => {}
            }
            tracing::info!("stopping: requests under way may end");
            tell_systemd(&[NotifyState::Stopping]);
            stopper.cancel();
        });
        let live = Arc::downgrade(&daemon.live);
        tokio::spawn(async move {
            while let Some(live) = hangup.recv().await.and_then(|()| live.upgrade()) {
                live.hang_up().await;
            }
        });
        tell_systemd(&[NotifyState::Ready]);
        tokio::spawn(watch(daemon.inside.store.clone()));
        let outcome = daemon.run(stop).await;
        waiting.await?;
        outcome.map_err(|error| anyhow!(error))
    })?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Where systemd wants a sign of life, it gets one as long as the store answers: a store that hangs for good is ended
/// and started again.
async fn watch(store: Arc<Store>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    loop {
        match store.check().await {
            // A full disk, or a slow one, is no better after a restart.
            Ok(()) | Err(StoreError::Engine(_) | StoreError::Slow { .. }) => tell_systemd(&[NotifyState::Watchdog]),
            Err(fault) => tracing::error!("no sign of life for systemd: {fault}"),
        }
        tokio::time::sleep(limit / 4).await;
    }
}

fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(error = %error, "systemd was not told");
    }
}

/// What a person who starts it wants to know; the log says the rest.
fn welcome(daemon: &Daemon, folder: &str) {
    let http = &daemon.inside.settings;
    output::line(&format!("musterd {} is ready", env!("CARGO_PKG_VERSION")));
    output::line(&format!("  login and API  {}/api/v1", http.public_url));
    output::line(&format!("  SCIM           {}/scim/v2", http.public_url));
    output::line(&format!(
        "  admin socket   {}  (for `musterd user`, `musterd token`, … in another terminal)",
        http.admin_socket.display()
    ));
    output::line(&format!("  data           {folder}"));
    if let Some(link) = &daemon.first_link {
        output::line("");
        output::line(
            "First start: the administrator is called \"admin\". Open this link once, within a day, to set the password:",
        );
        output::line(&format!("  {}", Secret::expose(link)));
        output::line("(Lost it? `musterd user link admin` makes another.)");
    }
    tracing::info!(http.listen = %http.listen, "ready");
}

/// Looks at the whole store, and puts right what can be where `repair` asks for it.
pub(super) fn look(loaded: Loaded, repair: bool, json: bool) -> anyhow::Result<ExitCode> {
    if !holds_a_store(&loaded.settings.store.folder) {
        bail!("there is no store in {}", loaded.settings.store.folder.display());
    }
    let store = Store::open(&loaded.settings.store, Clock::system(), Rng::system())?;
    let report = verify::verify(&store.view())?;
    let left = report.differences.iter().filter(|one| !repair || !one.is_repairable()).count();
    let repaired = if repair {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(verify::repair(&store, &report))?
    } else {
        0
    };
    if json {
        let differences: Vec<_> =
            report.differences.iter().map(|one| json!({"what": one.what, "repairable": one.is_repairable()})).collect();
        output::json(&json!({
            "audit_lines": report.audit_lines,
            "users": report.users,
            "records": report.records,
            "index_rows": report.index_rows,
            "members": report.members,
            "differences": differences,
            "rows_repaired": repaired,
        }));
    } else {
        report.differences.iter().for_each(|one| output::line(&one.what));
        output::line(&format!(
            "{} users, {} records, {} index rows, {} memberships and {} audit lines: {}",
            report.users,
            report.records,
            report.index_rows,
            report.members,
            report.audit_lines,
            outcome(&report, repaired, left)
        ));
    }
    Ok(Exit::fine_if(left == 0).into())
}

fn outcome(report: &verify::Report, repaired: usize, left: usize) -> String {
    let found = report.differences.len();
    let repairable = report.differences.iter().filter(|one| one.is_repairable()).count();
    match (found, repaired) {
        (0, _) => "all hold together".to_owned(),
        (_, 0) if repairable > 0 => {
            format!("{found} differences, {repairable} of which `musterd verify --repair` puts right")
        }
        (_, 0) => format!("{found} differences, which need a person or a backup"),
        _ => {
            format!("{found} differences; {repaired} rows were put right, {left} differences need a person or a backup")
        }
    }
}
