//! One engine for all tabs of a site.
//!
//! Every tab starts this worker. A Web Lock elects the one that leads: it holds the engine. The others follow: they pass their page's
//! requests on to it through a channel, and its events back. When the leader's tab closes or its worker dies, the lock goes to a follower,
//! which takes over: requests that had no answer yet are asked again, and the model is loaded again from this device.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use parlance_protocol::{Event, Failure, FailureKind, REQUEST_KEY, RequestId};
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, DedicatedWorkerGlobalScope, MessageEvent, console};

use crate::client::{Client, ClientId, Incoming};
use crate::identity::{allowed_hosts, scope};
use crate::policy::AllowedHosts;
use crate::takeover::{News, Takeover, Topic};

/// The key of a client's list of hosts in its messages to the leader.
const HOSTS_KEY: &str = "allowed_hosts";

/// The lock that the leader holds. Builds have one each: they may not speak the same protocol.
fn leader_lock() -> String {
    format!("parlance.engine:{}", scope())
}

/// Where followers and the service worker ask the leader.
fn requests_channel() -> String {
    format!("parlance.requests:{}", scope())
}

/// Where the leader answers a client.
pub(crate) fn events_channel(client: &str) -> String {
    format!("parlance.events:{}.{client}", scope())
}

/// The lock that a client holds as long as it lives.
fn client_lock(client: &str) -> String {
    format!("parlance.client:{}.{client}", scope())
}

#[wasm_bindgen]
extern "C" {
    /// `navigator.locks`: web-sys counts it as unstable.
    type Locks;

    #[wasm_bindgen(method, js_name = request)]
    fn request(this: &Locks, name: &str, options: &JsValue, callback: &Function) -> Promise;
}

/// What the leader does with clients.
pub(crate) trait Lead {
    /// Takes a request.
    fn take(&self, incoming: Incoming);
    /// A client came that may want to know what answers.
    fn joined(&self, client: Client);
    /// A client is gone.
    fn left(&self, client: &ClientId);
}

enum Role {
    /// It is not known yet whether another worker leads.
    Undecided,
    Following(BroadcastChannel),
    Leading(Rc<dyn Lead>),
}

struct Link {
    own_id: ClientId,
    page: DedicatedWorkerGlobalScope,
    role: RefCell<Role>,
    /// What a new leader has to be asked.
    takeover: RefCell<Takeover<JsValue>>,
    make_leader: Box<dyn Fn() -> Rc<dyn Lead>>,
}

/// Takes the page's messages from now on. `make_leader` is called when it falls to this worker to lead.
pub(crate) fn start(make_leader: impl Fn() -> Rc<dyn Lead> + 'static) {
    let link = Rc::new(Link {
        own_id: format!("{:016x}", (js_sys::Math::random() * 1.8e19) as u64),
        page: js_sys::global().unchecked_into(),
        role: RefCell::new(Role::Undecided),
        takeover: RefCell::default(),
        make_leader: Box::new(make_leader),
    });
    let receiver = Rc::clone(&link);
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| receiver.take(event.data()));
    link.page.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    link.elect();
}

impl Link {
    /// Leads if nobody does; otherwise follows, and waits to take over.
    fn elect(self: &Rc<Self>) {
        let Some(manager) = locks() else {
            // Without locks, as on plain HTTP, each tab is on its own.
            self.lead();
            return;
        };
        let link = Rc::clone(self);
        hold(&manager, &leader_lock(), true, move |is_granted| {
            if is_granted {
                link.lead();
                return;
            }
            link.follow();
            let Some(locks) = locks() else { return };
            let link = Rc::clone(&link);
            hold(&locks, &leader_lock(), false, move |_| link.lead());
        });
    }

    fn lead(self: &Rc<Self>) {
        let leader = (self.make_leader)();
        self.role.replace(Role::Leading(Rc::clone(&leader)));
        if let Err(error) = serve_others(&leader) {
            console::error_2(&"other tabs cannot be served:".into(), &error);
        }
        self.ask_again();
    }

    fn follow(self: &Rc<Self>) {
        let channels = BroadcastChannel::new(&requests_channel())
            .and_then(|requests| Ok((requests, BroadcastChannel::new(&events_channel(&self.own_id))?)));
        let (requests, events) = match channels {
            Ok(channels) => channels,
            Err(error) => {
                console::error_1(&error);
                return self.lead();
            }
        };
        if let Some(locks) = locks() {
            hold(&locks, &client_lock(&self.own_id), false, |_| ());
        }
        let link = Rc::clone(self);
        on_message(&events, move |data| link.pass_on(&data));
        let link = Rc::clone(self);
        on_message(&requests, move |data| {
            if kind(&data).as_deref() == Some("leader") {
                link.ask_again();
            }
        });
        self.role.replace(Role::Following(requests));
        self.send("hello", &JsValue::UNDEFINED);
        self.ask_again();
    }

    /// Takes a message of the page.
    fn take(&self, message: JsValue) {
        let is_leading = matches!(&*self.role.borrow(), Role::Leading(_));
        let (id, topic) = (request_id(&message), topic(&message));
        if !is_leading {
            self.takeover.borrow_mut().note_request(id, topic, message.clone());
        }
        // What comes before it is known who leads is asked when it is.
        self.ask(&message);
    }

    /// Asks the leader, whoever it is now.
    fn ask(&self, message: &JsValue) {
        match &*self.role.borrow() {
            Role::Undecided => {}
            Role::Following(_) => self.send("request", message),
            Role::Leading(leader) => take(leader, Client::page(), message),
        }
    }

    /// Asks a new leader for what is still open.
    fn ask_again(&self) {
        let is_leading = matches!(&*self.role.borrow(), Role::Leading(_));
        let again = self.takeover.borrow_mut().again(is_leading);
        for id in again.lost {
            let failure = Failure::new(FailureKind::Crashed, "the tab with the engine was closed; ask again");
            Client::page().post(&Event::Failed { id, failure });
        }
        for message in &again.messages {
            self.ask(message);
        }
    }

    fn send(&self, kind: &str, message: &JsValue) {
        let Role::Following(requests) = &*self.role.borrow() else { return };
        let hosts = allowed_hosts().to_js().into();
        let envelope = object(&[("kind", kind.into()), ("client", self.own_id.as_str().into()), (HOSTS_KEY, hosts)]);
        if message.is_object() {
            // Request and files.
            let _ = Object::assign(&envelope, message.unchecked_ref());
        }
        if let Err(error) = requests.post_message(&envelope) {
            console::error_1(&error);
        }
    }

    /// Passes an event of the leader's on to the page.
    fn pass_on(&self, event: &JsValue) {
        self.note(event);
        if let Err(error) = self.page.post_message(event) {
            console::error_1(&error);
        }
    }

    /// Learns from an event how far its request is.
    fn note(&self, event: &JsValue) {
        let id = field(event, "id").and_then(|id| id.as_f64()).map(|id| id as RequestId);
        let (Some(kind), Some(id)) = (text(event, "type"), id) else { return };
        let name = || field(event, "model").and_then(|model| text(&model, "name")).unwrap_or_default();
        let news = match kind.as_str() {
            "progress" => return,
            "chunk" => News::Begun,
            "loaded" => News::Loaded { name: name() },
            "unloaded" => News::Unloaded,
            _ => News::Ended,
        };
        self.takeover.borrow_mut().note_event(id, news);
    }
}

/// Hears other clients.
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
            // One that names no hosts has nothing fetched for it.
            let hosts = AllowedHosts::from_js(&field(&data, HOSTS_KEY).unwrap_or_default());
            let Ok(client) = Client::remote(&id, hosts) else { return };
            clients.borrow_mut().insert(id.clone(), client.clone());
            leader.joined(client.clone());
            if let Some(locks) = locks() {
                // It is granted when the client's own hold ends.
                let (leader, clients) = (Rc::clone(&leader), Rc::clone(&clients));
                wait_for(&locks, &client_lock(&id.clone()), move || {
                    clients.borrow_mut().remove(&id);
                    leader.left(&id);
                });
            }
            client
        };
        if kind(&data).as_deref() == Some("request") {
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
                client.fail(id, crate::error::WorkerError::BadRequest("the request could not be read"));
            }
        }
    }
}

/// The number of a message's request, if it will have an end.
fn request_id(message: &JsValue) -> Option<RequestId> {
    let request = field(message, REQUEST_KEY)?;
    let id = field(&request, "id")?.as_f64()?;
    (text(&request, "type")? != "interrupt").then_some(id as RequestId)
}

/// What a message's request is about.
fn topic(message: &JsValue) -> Topic {
    let request = field(message, REQUEST_KEY).unwrap_or_default();
    match text(&request, "type").as_deref() {
        Some("configure") => Topic::Settings,
        Some("load") => Topic::Load { beside: field(&request, "beside").is_some_and(|beside| beside.is_truthy()) },
        Some("unload") => Topic::Unload { model: text(&request, "model") },
        _ => Topic::Other,
    }
}

fn kind(data: &JsValue) -> Option<String> {
    text(data, "kind")
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

fn locks() -> Option<Locks> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    locks.is_object().then(|| locks.unchecked_into())
}

/// Holds a lock for ever once it is granted; `decided` hears whether it was, which it always is unless `only_if_free`.
fn hold(locks: &Locks, name: &str, only_if_free: bool, decided: impl FnOnce(bool) + 'static) {
    let callback = Closure::once_into_js(move |lock: JsValue| {
        let is_granted = !lock.is_null();
        decided(is_granted);
        // A promise that never resolves keeps the lock.
        if is_granted { Promise::new(&mut |_, _| ()).into() } else { JsValue::UNDEFINED }
    });
    let options = object(&[("ifAvailable", only_if_free.into())]);
    let _ = locks.request(name, &options, callback.unchecked_ref());
}

/// Waits until nobody holds a lock.
fn wait_for(locks: &Locks, name: &str, free: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(move |_lock: JsValue| free());
    let _ = locks.request(name, &Object::new(), callback.unchecked_ref());
}
