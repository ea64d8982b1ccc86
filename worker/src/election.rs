//! One engine for all tabs of a site: drives [`parlance_worker_core::election`] with Web Locks and channels.
//!
//! Every tab starts this worker. Followers and the service worker send their requests through one channel, which the leader hears; each client
//! hears its events through a channel of its own. Each client also holds a lock: when that is free, the client is gone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{Object, Reflect};
use parlance_protocol::{self as protocol, Failure, FailureKind, REQUEST_KEY, RequestId};
use parlance_worker_core::election::{Command, Election, Event, Topic, Update};
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, DedicatedWorkerGlobalScope, MessageEvent, console};

use crate::client::{Client, Incoming};
use crate::error::WorkerError;
use crate::identity::allowed_hosts;
use crate::locks::locks;
use crate::names::{ClientId, client_lock, events_channel, leader_lock, requests_channel};
use crate::policy::{hosts_from_js, hosts_to_js};

/// The key of a client's list of hosts in its messages to the leader.
const HOSTS_KEY: &str = "allowed_hosts";

/// What a leader does for clients.
pub(crate) trait Lead {
    /// Takes a request.
    fn take(&self, incoming: Incoming);
    /// A client came, which may want to know which model answers.
    fn joined(&self, client: Client);
    /// A client is gone.
    fn left(&self, client: &ClientId);
}

/// This worker's part in the election.
struct Candidate {
    own_id: ClientId,
    page: DedicatedWorkerGlobalScope,
    election: RefCell<Election<JsValue>>,
    /// Where the leader is asked, while another worker leads.
    requests: RefCell<Option<BroadcastChannel>>,
    /// What leads, while this worker does.
    leader: RefCell<Option<Rc<dyn Lead>>>,
    make_leader: Box<dyn Fn() -> Rc<dyn Lead>>,
}

/// Takes the page's messages from now on. `make_leader` is called when this worker comes to lead.
pub(crate) fn start(make_leader: impl Fn() -> Rc<dyn Lead> + 'static) {
    let candidate = Rc::new(Candidate {
        own_id: format!("{:016x}", (js_sys::Math::random() * 1.8e19) as u64),
        page: js_sys::global().unchecked_into(),
        election: RefCell::default(),
        requests: RefCell::default(),
        leader: RefCell::default(),
        make_leader: Box::new(make_leader),
    });
    let receiver = Rc::clone(&candidate);
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| receiver.hear_page(event.data()));
    candidate.page.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    candidate.elect();
}

impl Candidate {
    /// Asks for the lock: leads if it is free, and follows otherwise.
    fn elect(self: &Rc<Self>) {
        let Some(locks) = locks() else { return self.on(Event::NoLocks) };
        let candidate = Rc::clone(self);
        locks.hold_if_free(&leader_lock(), move |is_granted| {
            candidate.on(if is_granted { Event::LockGranted } else { Event::LockTaken });
        });
    }

    fn on(self: &Rc<Self>, event: Event<JsValue>) {
        let commands = self.election.borrow_mut().handle(event);
        for command in commands {
            self.execute(command);
        }
    }

    fn execute(self: &Rc<Self>, command: Command<JsValue>) {
        match command {
            Command::Join => match self.join() {
                Ok(()) => self.on(Event::Joined),
                Err(error) => {
                    console::error_1(&error);
                    self.on(Event::CannotJoin);
                }
            },
            Command::AwaitLock => {
                let Some(locks) = locks() else { return };
                let candidate = Rc::clone(self);
                locks.hold(&leader_lock(), move || candidate.on(Event::LockGranted));
            }
            Command::Lead => self.lead(),
            Command::Greet => self.send("hello", &JsValue::UNDEFINED),
            Command::Ask(message) => self.send("request", &message),
            Command::Serve(message) => {
                if let Some(leader) = &*self.leader.borrow() {
                    take(leader, Client::page(), &message);
                }
            }
            Command::Tell(event) => {
                if let Err(error) = self.page.post_message(&event) {
                    console::error_1(&error);
                }
            }
            Command::Fail(id) => {
                let failure = Failure::new(FailureKind::Crashed, "the tab with the engine was closed; ask again");
                Client::page().post(&protocol::Event::Failed { id, failure });
            }
        }
    }

    /// Starts to lead, and to hear other clients.
    fn lead(&self) {
        let leader = (self.make_leader)();
        self.requests.replace(None);
        self.leader.replace(Some(Rc::clone(&leader)));
        if let Err(error) = serve_others(&leader) {
            console::error_2(&"other tabs cannot be served:".into(), &error);
        }
    }

    /// Opens the channels to the leader, and holds the lock that says that this client is alive.
    fn join(self: &Rc<Self>) -> Result<(), JsValue> {
        let requests = BroadcastChannel::new(&requests_channel())?;
        let events = BroadcastChannel::new(&events_channel(&self.own_id))?;
        if let Some(locks) = locks() {
            locks.hold(&client_lock(&self.own_id), || ());
        }
        let candidate = Rc::clone(self);
        on_message(&events, move |event| {
            candidate.on(Event::FromLeader { about: about(&event), message: event });
        });
        let candidate = Rc::clone(self);
        on_message(&requests, move |data| {
            if text(&data, "kind").as_deref() == Some("leader") {
                candidate.on(Event::LeaderChanged);
            }
        });
        self.requests.replace(Some(requests));
        Ok(())
    }

    fn hear_page(self: &Rc<Self>, message: JsValue) {
        self.on(Event::FromPage { id: request_id(&message), topic: topic(&message), message });
    }

    /// Sends a message to the leader.
    fn send(&self, kind: &str, message: &JsValue) {
        let requests = self.requests.borrow();
        let Some(requests) = &*requests else { return };
        let hosts = hosts_to_js(&allowed_hosts()).into();
        let envelope = object(&[("kind", kind.into()), ("client", self.own_id.as_str().into()), (HOSTS_KEY, hosts)]);
        if message.is_object() {
            // Request and files.
            let _ = Object::assign(&envelope, message.unchecked_ref());
        }
        if let Err(error) = requests.post_message(&envelope) {
            console::error_1(&error);
        }
    }
}

/// Hears other clients, and tells them that this worker leads now.
fn serve_others(leader: &Rc<dyn Lead>) -> Result<(), JsValue> {
    let requests = BroadcastChannel::new(&requests_channel())?;
    let clients: Rc<RefCell<BTreeMap<ClientId, Client>>> = Rc::default();
    let leader = Rc::clone(leader);
    on_message(&requests, move |data| {
        let Some(id) = text(&data, "client") else { return };
        let known = clients.borrow().get(&id).cloned();
        let client = if let Some(client) = known {
            client
        } else {
            // Nothing is fetched for one that names no hosts.
            let hosts = hosts_from_js(&field(&data, HOSTS_KEY).unwrap_or_default());
            let Ok(client) = Client::remote(&id, hosts) else { return };
            clients.borrow_mut().insert(id.clone(), client.clone());
            leader.joined(client.clone());
            if let Some(locks) = locks() {
                // The client holds it as long as it lives.
                let (leader, clients) = (Rc::clone(&leader), Rc::clone(&clients));
                locks.wait_until_free(&client_lock(&id.clone()), move || {
                    clients.borrow_mut().remove(&id);
                    leader.left(&id);
                });
            }
            client
        };
        if text(&data, "kind").as_deref() == Some("request") {
            take(&leader, client, &data);
        }
    });
    requests.post_message(&object(&[("kind", "leader".into())]))
}

fn take(leader: &Rc<dyn Lead>, client: Client, message: &JsValue) {
    let id = request_id(message);
    match Incoming::parse(client.clone(), message) {
        Ok(incoming) => leader.take(incoming),
        Err(error) => {
            console::error_2(&"a request could not be read:".into(), &error);
            if let Some(id) = id {
                client.fail(id, WorkerError::BadRequest("the request could not be read"));
            }
        }
    }
}

/// The number of a message's request, if an event will end that.
fn request_id(message: &JsValue) -> Option<RequestId> {
    let request = field(message, REQUEST_KEY)?;
    let id = id(&request)?;
    (text(&request, "type")? != "interrupt").then_some(id)
}

/// What a message's request is about.
fn topic(message: &JsValue) -> Topic {
    let request = field(message, REQUEST_KEY).unwrap_or_default();
    match text(&request, "type").as_deref() {
        Some("configure") => Topic::Settings,
        Some("load") => Topic::Load { beside: field(&request, "beside").is_some_and(|beside| beside.is_truthy()) },
        Some("unload") => Topic::Unload { model: text(&request, "model") },
        Some("interrupt") => id(&request).map_or(Topic::Other, |id| Topic::Interrupt { id }),
        _ => Topic::Other,
    }
}

/// Which request an event is about, and what it says.
fn about(event: &JsValue) -> Option<(RequestId, Update)> {
    let name = || field(event, "model").and_then(|model| text(&model, "name")).unwrap_or_default();
    let update = match text(event, "type")?.as_str() {
        "progress" => Update::Progress,
        "chunk" => Update::Begun,
        "loaded" => Update::Loaded { name: name() },
        "unloaded" => Update::Unloaded,
        _ => Update::Ended,
    };
    Some((id(event)?, update))
}

fn id(data: &JsValue) -> Option<RequestId> {
    Some(field(data, "id")?.as_f64()? as RequestId)
}

fn field(data: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(data, &name.into()).ok()
}

fn text(data: &JsValue, name: &str) -> Option<String> {
    field(data, name)?.as_string()
}

fn object(entries: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (key, value) in entries {
        // A plain object takes any key.
        let _ = Reflect::set(&object, &(*key).into(), value);
    }
    object
}

fn on_message(channel: &BroadcastChannel, take: impl Fn(JsValue) + 'static) {
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| take(event.data()));
    channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // Channels live as long as the worker.
    on_message.forget();
}
