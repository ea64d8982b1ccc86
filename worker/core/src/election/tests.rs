//! What one worker does in each role, and sites whose tabs come and go while messages are on their way.

use std::collections::{BTreeMap, VecDeque};

use super::*;

/// A worker that follows.
fn follower() -> Election<&'static str> {
    let mut election = Election::default();
    assert_eq!(election.handle(Event::LockTaken), [Command::Join, Command::AwaitLock]);
    assert_eq!(election.handle(Event::Joined), [Command::Greet]);
    election
}

fn from_page(id: RequestId, topic: Topic, message: &'static str) -> Event<&'static str> {
    Event::FromPage { id: Some(id), topic, message }
}

fn from_leader(id: RequestId, update: Update) -> Event<&'static str> {
    Event::FromLeader { about: Some((id, update)), message: "event" }
}

/// Has a follower's page load a model.
fn load(election: &mut Election<&'static str>, id: RequestId, name: &'static str, beside: bool) {
    assert_eq!(election.handle(from_page(id, Topic::Load { beside }, name)), [Command::Ask(name)]);
    let loaded = from_leader(id, Update::Loaded { name: name.to_owned() });
    assert_eq!(election.handle(loaded), [Command::Tell("event")]);
}

/// What a follower asks a new leader.
fn asked(election: &mut Election<&'static str>) -> Vec<&'static str> {
    let ask = |command| match command {
        Command::Ask(message) => message,
        other => panic!("{other:?}"),
    };
    election.handle(Event::LeaderChanged).into_iter().map(ask).collect()
}

#[test]
fn without_locks_or_channels_each_tab_leads() {
    for event in [Event::NoLocks, Event::LockGranted, Event::CannotJoin] {
        let mut election = Election::default();
        assert!(election.handle(from_page(1, Topic::Other, "early")).is_empty(), "nobody leads yet");
        assert_eq!(election.handle(event), [Command::Lead, Command::Serve("early")]);
        assert_eq!(election.handle(from_page(2, Topic::Other, "late")), [Command::Serve("late")]);
    }
}

#[test]
fn what_comes_before_the_election_is_decided_is_asked_then() {
    let mut election = Election::default();
    let settings = Event::FromPage { id: None, topic: Topic::Settings, message: "settings" };
    for event in [from_page(1, Topic::Other, "first"), settings, from_page(2, Topic::Other, "second")] {
        assert!(election.handle(event).is_empty());
    }
    election.handle(Event::LockTaken);
    let asked = ["settings", "first", "second"].map(Command::Ask);
    assert_eq!(election.handle(Event::Joined), [&[Command::Greet][..], &asked[..]].concat());
}

#[test]
fn a_leader_ignores_other_leaders() {
    let mut election = follower();
    election.handle(from_page(1, Topic::Other, "question"));
    assert_eq!(election.handle(Event::LockGranted), [Command::Lead, Command::Serve("question")]);
    // Another worker claims to lead, the old leader's events arrive, and locks are decided late.
    for event in [Event::LeaderChanged, from_leader(1, Update::Ended), Event::LockGranted, Event::LockTaken] {
        assert!(election.handle(event).is_empty());
    }
}

#[test]
fn a_second_leader_is_asked_again_and_answers_count_once() {
    let mut election = follower();
    election.handle(from_page(1, Topic::Other, "question"));
    assert_eq!(asked(&mut election), ["question"]);
    assert_eq!(asked(&mut election), ["question"], "the first may be gone already");
    // Both answer: the page hears one.
    assert_eq!(election.handle(from_leader(1, Update::Ended)), [Command::Tell("event")]);
    assert!(election.handle(from_leader(1, Update::Begun)).is_empty());
    assert!(election.handle(from_leader(1, Update::Ended)).is_empty());
}

#[test]
fn what_had_begun_is_lost_and_what_had_not_is_asked_again() {
    let mut election = follower();
    for (id, message) in [(5, "begun"), (6, "waiting"), (7, "done"), (8, "loading")] {
        election.handle(from_page(id, Topic::Other, message));
    }
    for event in [
        from_leader(5, Update::Begun),
        from_leader(7, Update::Begun),
        from_leader(7, Update::Ended),
        from_leader(8, Update::Progress),
    ] {
        assert_eq!(election.handle(event), [Command::Tell("event")]);
    }
    let commands = election.handle(Event::LeaderChanged);
    assert_eq!(commands, [Command::Fail(5), Command::Ask("waiting"), Command::Ask("loading")]);
    // The old leader's last events come late.
    for update in [Update::Begun, Update::Ended] {
        assert!(election.handle(from_leader(5, update)).is_empty(), "the page knows that it failed");
    }
    // Here the engine tells the page itself from now on.
    let commands = election.handle(Event::LockGranted);
    assert_eq!(commands, [Command::Lead, Command::Serve("waiting"), Command::Serve("loading")]);
}

#[test]
fn events_about_no_request_reach_the_page() {
    let mut election = follower();
    let event = Event::FromLeader { about: None, message: "model changed" };
    assert_eq!(election.handle(event), [Command::Tell("model changed")]);
}

#[test]
fn a_model_comes_back_with_those_beside_it() {
    let mut election = follower();
    // A file search loads its model again each time.
    for (id, name, beside) in [(1, "old", false), (2, "chat", false), (3, "search", true), (4, "search", true)] {
        load(&mut election, id, name, beside);
    }
    assert_eq!(asked(&mut election), ["chat", "search"]);
    // The page watches them load, under the numbers that it knows.
    for update in [Update::Progress, Update::Loaded { name: "chat".to_owned() }] {
        assert_eq!(election.handle(from_leader(2, update)), [Command::Tell("event")]);
    }
    assert_eq!(asked(&mut election), ["chat", "search"], "and once more, should the next leader go, too");
}

#[test]
fn a_leader_that_goes_while_a_model_downloads_has_the_next_one_go_on() {
    let mut election = follower();
    load(&mut election, 1, "chat", false);
    election.handle(from_page(2, Topic::Load { beside: false }, "large"));
    election.handle(from_leader(2, Update::Progress));
    assert_eq!(asked(&mut election), ["chat", "large"]);
    // The page gives up on it just before the next leader goes as well.
    let interrupt = Event::FromPage { id: None, topic: Topic::Interrupt { id: 2 }, message: "stop" };
    assert_eq!(election.handle(interrupt), [Command::Ask("stop")]);
    assert_eq!(asked(&mut election), ["chat", "large", "stop"]);
    election.handle(from_leader(2, Update::Ended));
    assert_eq!(asked(&mut election), ["chat"]);
}

#[test]
fn a_model_that_was_freed_stays_away() {
    let mut election = follower();
    load(&mut election, 1, "chat", false);
    load(&mut election, 2, "search", true);
    election.handle(from_page(3, Topic::Unload { model: Some("search".to_owned()) }, "unload"));
    election.handle(from_leader(3, Update::Unloaded));
    assert_eq!(asked(&mut election), ["chat"]);
    election.handle(from_page(4, Topic::Unload { model: None }, "unload"));
    election.handle(from_leader(4, Update::Unloaded));
    assert!(asked(&mut election).is_empty());
}

#[test]
fn a_load_that_failed_is_not_repeated() {
    let mut election = follower();
    load(&mut election, 1, "chat", false);
    election.handle(from_page(2, Topic::Load { beside: false }, "damaged"));
    election.handle(from_leader(2, Update::Ended));
    assert_eq!(asked(&mut election), ["chat"]);
}

/// A request of a tab's page, or an event about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    tab: usize,
    id: RequestId,
    is_end: bool,
}

/// Something on its way.
enum Mail {
    LeaderChanged,
    Request(Message),
    Reply(Message),
}

/// Where requests go: to the leader at the time when they arrive.
const LEADER: usize = usize::MAX;

/// Tabs that exchange messages, which arrive in order between two of them, and in any order otherwise.
struct Site {
    tabs: Vec<Option<Election<Message>>>,
    leader: Option<usize>,
    waiting: VecDeque<usize>,
    mail: BTreeMap<(usize, usize), VecDeque<Mail>>,
    /// How often each page heard the end of each request.
    ends: BTreeMap<(usize, RequestId), u32>,
    seed: u64,
}

impl Site {
    fn new(seed: u64) -> Self {
        Self {
            tabs: Vec::new(),
            leader: None,
            waiting: VecDeque::new(),
            mail: BTreeMap::new(),
            ends: BTreeMap::new(),
            seed: seed + 1,
        }
    }

    fn random(&mut self, below: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) as usize % below
    }

    fn open(&mut self) {
        self.tabs.push(Some(Election::default()));
        let tab = self.tabs.len() - 1;
        self.on(tab, if self.leader.is_some() { Event::LockTaken } else { Event::LockGranted });
    }

    fn close(&mut self, tab: usize) {
        self.tabs[tab] = None;
        self.mail.remove(&(tab, tab));
        self.waiting.retain(|other| *other != tab);
        if self.leader == Some(tab) {
            self.leader = None;
            if let Some(next) = self.waiting.pop_front() {
                self.on(next, Event::LockGranted);
            }
        }
    }

    fn is_open(&self, tab: usize) -> bool {
        self.tabs[tab].is_some()
    }

    /// A page asks something.
    fn ask(&mut self, tab: usize, id: RequestId) {
        self.ends.insert((tab, id), 0);
        let message = Message { tab, id, is_end: false };
        self.on(tab, Event::FromPage { id: Some(id), topic: Topic::Other, message });
    }

    fn on(&mut self, tab: usize, event: Event<Message>) {
        let Some(election) = &mut self.tabs[tab] else { return };
        for command in election.handle(event) {
            match command {
                Command::Join => self.on(tab, Event::Joined),
                Command::AwaitLock => self.waiting.push_back(tab),
                Command::Lead => {
                    self.leader = Some(tab);
                    for other in (0..self.tabs.len()).filter(|other| *other != tab) {
                        self.post(tab, other, Mail::LeaderChanged);
                    }
                }
                Command::Greet => {}
                Command::Ask(message) => self.post(tab, LEADER, Mail::Request(message)),
                Command::Serve(message) => self.answer(tab, message),
                Command::Tell(message) => self.tell(message),
                Command::Fail(id) => self.tell(Message { tab, id, is_end: true }),
            }
        }
    }

    /// The engine answers in two parts.
    fn answer(&mut self, leader: usize, message: Message) {
        for is_end in [false, true] {
            self.post(leader, message.tab, Mail::Reply(Message { is_end, ..message }));
        }
    }

    /// A page hears an event.
    fn tell(&mut self, Message { tab, id, is_end }: Message) {
        let ends = self.ends.entry((tab, id)).or_default();
        assert_eq!(*ends, 0, "nothing comes after the end of {id} in tab {tab}");
        *ends += u32::from(is_end);
    }

    fn post(&mut self, from: usize, to: usize, mail: Mail) {
        self.mail.entry((from, to)).or_default().push_back(mail);
    }

    /// Delivers a message. Says whether there was one.
    fn deliver(&mut self) -> bool {
        let ways: Vec<(usize, usize)> = self.mail.keys().copied().collect();
        if ways.is_empty() {
            return false;
        }
        let way = ways[self.random(ways.len())];
        let mut mail = self.mail.remove(&way).unwrap_or_default();
        let next = mail.pop_front();
        if !mail.is_empty() {
            self.mail.insert(way, mail);
        }
        let (from, to) = way;
        match (next, self.leader) {
            // A worker does not hear what it sent before it led.
            (Some(Mail::Request(message)), Some(leader)) if leader != from => self.answer(leader, message),
            (Some(Mail::LeaderChanged), _) => self.on(to, Event::LeaderChanged),
            // Whoever leads tells its own page.
            (Some(Mail::Reply(message)), _) if from == to => self.tell(message),
            (Some(Mail::Reply(message)), _) => {
                let update = if message.is_end { Update::Ended } else { Update::Begun };
                self.on(to, Event::FromLeader { about: Some((message.id, update)), message });
            }
            (Some(Mail::Request(_)) | None, _) => {}
        }
        true
    }
}

#[test]
fn every_request_ends_once_whichever_tabs_close() {
    for seed in 0..300 {
        let mut site = Site::new(seed);
        for _ in 0..3 {
            site.open();
        }
        for step in 0..90u32 {
            let tab = site.random(site.tabs.len());
            match step {
                // The tab with the engine closes, and later the next one.
                30 | 60 => {
                    let leader = site.leader.unwrap_or_default();
                    site.close(leader);
                }
                45 => site.open(),
                _ if step % 3 == 0 && site.is_open(tab) => site.ask(tab, step),
                _ => {
                    site.deliver();
                }
            }
        }
        while site.deliver() {}
        for ((tab, id), ends) in &site.ends {
            assert!(*ends == 1 || !site.is_open(*tab), "{id} of tab {tab} with seed {seed}: {ends} ends");
        }
    }
}
