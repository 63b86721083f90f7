//! Tasks run when they are due, one run at a time, by what they are at its beginning.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;

use super::*;

struct Count {
    runs: AtomicUsize,
    schedule: Schedule,
    panics: bool,
}

impl Task for Count {
    fn name(&self) -> &str {
        "count"
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            self.runs.fetch_add(1, Ordering::SeqCst);
            assert!(!self.panics, "a task with a bug");
            Ok("counted".to_owned())
        })
    }
}

#[derive(Default)]
struct Memory(Mutex<Option<Timestamp>>);

impl Journal for Memory {
    fn last_run(&self, _: &str) -> Option<Timestamp> {
        *self.0.lock().unwrap()
    }

    fn begin(&self, _: &str, now: Timestamp) -> Work<'_, ()> {
        *self.0.lock().unwrap() = Some(now);
        Box::pin(async {})
    }
}

fn driver(panics: bool, journal: Arc<Memory>, clock: &Clock) -> (Arc<Count>, Driver) {
    let task =
        Arc::new(Count { runs: AtomicUsize::new(0), schedule: Schedule::every(Duration::from_secs(60)), panics });
    (task.clone(), Driver::new(vec![task], journal, clock.clone()))
}

#[tokio::test]
async fn a_task_runs_when_due_or_poked_and_catches_up_once() {
    let clock = Clock::manual(Timestamp::from_second(0).unwrap());
    let journal = Arc::new(Memory::default());
    let (task, driver) = self::driver(false, journal.clone(), &clock);
    assert_eq!((driver.run_due().await, driver.run_due().await), (1, 0));
    assert!(driver.poke("count") && !driver.poke("nobody"));
    assert_eq!(driver.run_due().await, 1);
    clock.advance(SignedDuration::from_hours(5));
    let (_, restarted) = self::driver(false, journal, &clock);
    assert_eq!((restarted.run_due().await, restarted.run_due().await), (1, 0));
    assert_eq!(task.runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_task_in_anothers_place_runs_when_it_is_due_itself() {
    let clock = Clock::manual(Timestamp::from_second(0).unwrap());
    let (first, driver) = self::driver(false, Arc::new(Memory::default()), &clock);
    assert_eq!(driver.run_due().await, 1);
    let schedule = Schedule::every(Duration::from_secs(3600));
    let second = Arc::new(Count { runs: AtomicUsize::new(0), schedule, panics: false });
    driver.replace(vec![second.clone()]);
    assert_eq!(driver.status().get("count").unwrap().schedule, "3600s");
    clock.advance(SignedDuration::from_mins(59));
    assert_eq!(driver.run_due().await, 0, "the last run of the other counts");
    clock.advance(SignedDuration::from_mins(1));
    assert_eq!(driver.run_due().await, 1);
    assert_eq!((first.runs.load(Ordering::SeqCst), second.runs.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_run_that_has_not_begun_is_that_of_the_task_in_its_place() {
    let clock = Clock::manual(Timestamp::from_second(0).unwrap());
    let (first, driver) = self::driver(false, Arc::new(Memory::default()), &clock);
    let due = driver.due().due;
    let schedule = Schedule::every(Duration::from_secs(60));
    let second = Arc::new(Count { runs: AtomicUsize::new(0), schedule, panics: false });
    driver.replace(vec![second.clone()]);
    for task in due {
        driver.run(task).await;
    }
    assert_eq!((first.runs.load(Ordering::SeqCst), second.runs.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn another_cron_line_counts_from_now() {
    for (line, zone) in [("0 20 * * *", "UTC"), ("0 22 * * *", "Europe/Berlin")] {
        let clock = Clock::manual("2026-01-01T21:00:00Z".parse().unwrap());
        let at = |line: &str, zone: &str| {
            let schedule = Schedule::parse(line, zone, clock.now()).unwrap();
            Arc::new(Count { runs: AtomicUsize::new(0), schedule, panics: false })
        };
        let journal = Arc::new(Memory(Mutex::new(Some("2026-01-01T12:00:00Z".parse().unwrap()))));
        let driver = Driver::new(vec![at("0 22 * * *", "UTC")], journal.clone(), clock.clone());
        driver.replace(vec![at(line, zone)]);
        assert_eq!(driver.run_due().await, 0, "{line} {zone}: its time was before it was the task's");
        let restarted = Driver::new(vec![at(line, zone)], journal, clock.clone());
        assert_eq!(restarted.run_due().await, 0, "{line} {zone}: after a restart too");
        clock.advance(SignedDuration::from_hours(24));
        driver.replace(vec![at(line, zone)]);
        assert_eq!(driver.run_due().await, 1, "{line} {zone}: the same line again is no other one");
    }
}

#[tokio::test]
async fn a_cron_line_goes_on_after_a_clock_that_was_ahead() {
    let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
    let schedule = Schedule::parse("0 2 * * *", "UTC", clock.now()).unwrap();
    let task = Arc::new(Count { runs: AtomicUsize::new(0), schedule, panics: false });
    let driver = Driver::new(vec![task.clone()], Arc::new(Memory::default()), clock.clone());
    driver.run_due().await;
    clock.jump(SignedDuration::from_hours(24 * 400));
    assert_eq!(driver.run_due().await, 1, "it is due by the wrong clock");
    clock.jump(SignedDuration::from_hours(-24 * 400));
    assert_eq!(driver.run_due().await, 0);
    clock.advance(SignedDuration::from_hours(3));
    assert_eq!(driver.run_due().await, 1, "and by the right one the same night");
}

#[tokio::test]
async fn a_cron_line_comes_true_on_a_machine_that_is_off_at_its_time() {
    let clock = Clock::manual("2026-01-01T20:00:00Z".parse().unwrap());
    let schedule = Schedule::parse("0 2 * * *", "UTC", clock.now()).unwrap();
    let task = Arc::new(Count { runs: AtomicUsize::new(0), schedule, panics: false });
    let journal = Arc::new(Memory::default());
    for day in 0..3 {
        let driver = Driver::new(vec![task.clone()], journal.clone(), clock.clone());
        assert_eq!(driver.run_due().await, usize::from(day > 0), "day {day}");
        assert_eq!(driver.run_due().await, 0, "day {day}");
        clock.advance(SignedDuration::from_hours(24));
    }
}

#[tokio::test]
async fn a_panic_stays_in_its_task_and_is_told() {
    let clock = Clock::manual(Timestamp::from_second(0).unwrap());
    let (_, driver) = self::driver(true, Arc::new(Memory::default()), &clock);
    driver.run_due().await;
    assert!(matches!(driver.status().get("count").unwrap().last_result, Some(Err(_))));
    clock.advance(SignedDuration::from_hours(1));
    assert_eq!(driver.run_due().await, 1);
}

#[tokio::test]
async fn the_scheduler_drives_until_it_is_stopped() {
    let clock = Clock::manual(Timestamp::from_second(0).unwrap());
    let (task, driver) = self::driver(false, Arc::new(Memory::default()), &clock);
    let stop = CancellationToken::new();
    let driver = Arc::new(driver);
    let driving = tokio::spawn(driver.clone().drive(stop.clone()));
    driver.poke("count");
    while driver.status().get("count").unwrap().last_result.is_none() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    driving.await.unwrap().unwrap();
    assert_eq!(task.runs.load(Ordering::SeqCst), 1);
}
