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

/// The site, which may share its origin with others: the worker's name, which is the folder that it was loaded from.
fn site() -> String {
    js_sys::global().unchecked_into::<DedicatedWorkerGlobalScope>().name()
}

/// The lock that the leader holds.
fn leader_lock() -> String {
    format!("parlance.engine:{}", site())
}

/// Where followers and the service worker ask the leader.
fn requests_channel() -> String {
    format!("parlance.requests:{}", site())
}

/// Where the leader answers a client.
pub(crate) fn events_channel(client: &str) -> String {
    format!("parlance.events:{}.{client}", site())
}

/// The lock that a client holds as long as it lives.
fn client_lock(client: &str) -> String {
    format!("parlance.client:{}.{client}", site())
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

/// A request of this worker's page that has no end yet.
struct Pending {
    message: JsValue,
    /// Part of its answer was told: it cannot be asked again.
    has_begun: bool,
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
    pending: RefCell<BTreeMap<RequestId, Pending>>,
    /// The last load of this worker's page that succeeded: what a new leader has to load.
    load: RefCell<Option<(RequestId, JsValue)>>,
    /// How this worker's page last said that the worker is to behave: what a new leader has to know first.
    settings: RefCell<Option<JsValue>>,
    make_leader: Box<dyn Fn() -> Rc<dyn Lead>>,
}

/// Takes the page's messages from now on. `make_leader` is called when it falls to this worker to lead.
pub(crate) fn start(make_leader: impl Fn() -> Rc<dyn Lead> + 'static) {
    let link = Rc::new(Link {
        own_id: format!("{:016x}", (js_sys::Math::random() * 1.8e19) as u64),
        page: js_sys::global().unchecked_into(),
        role: RefCell::new(Role::Undecided),
        pending: RefCell::default(),
        load: RefCell::default(),
        settings: RefCell::default(),
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
        if request_type(&message).as_deref() == Some("configure") {
            self.settings.replace(Some(message.clone()));
        }
        if let Some(id) = request_id(&message).filter(|_| !is_leading) {
            self.pending.borrow_mut().insert(id, Pending { message: message.clone(), has_begun: false });
        }
        match &*self.role.borrow() {
            // It is among the pending ones, which are asked when this is decided.
            Role::Undecided => {}
            Role::Following(_) => self.send("request", &message),
            Role::Leading(leader) => take(leader, Client::page(), &message),
        }
    }

    /// Asks the leader, whoever it is now, for what is still open.
    fn ask_again(&self) {
        let load = self.load.borrow().as_ref().map(|(_, message)| message.clone());
        let mut open: Vec<JsValue> = self.settings.borrow().iter().cloned().chain(load).collect();
        self.pending.borrow_mut().retain(|id, pending| {
            if pending.has_begun {
                let failure = Failure::new(FailureKind::Crashed, "the tab with the engine was closed; ask again");
                Client::page().post(&Event::Failed { id: *id, failure });
                return false;
            }
            open.push(pending.message.clone());
            true
        });
        if matches!(&*self.role.borrow(), Role::Leading(_)) {
            // From now on the leader is here and tells the page itself.
            self.pending.borrow_mut().clear();
        }
        for message in open {
            match &*self.role.borrow() {
                Role::Undecided => {}
                Role::Following(_) => self.send("request", &message),
                Role::Leading(leader) => take(leader, Client::page(), &message),
            }
        }
    }

    fn send(&self, kind: &str, message: &JsValue) {
        let Role::Following(requests) = &*self.role.borrow() else { return };
        let envelope = object(&[("kind", kind.into()), ("client", self.own_id.as_str().into())]);
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

    /// Learns from an event which requests are done.
    fn note(&self, event: &JsValue) {
        let text = |key: &str| Reflect::get(event, &key.into()).ok().and_then(|value| value.as_string());
        let id = Reflect::get(event, &"id".into()).ok().and_then(|id| id.as_f64()).map(|id| id as RequestId);
        let (Some(kind), Some(id)) = (text("type"), id) else { return };
        match kind.as_str() {
            "progress" => {}
            "chunk" => {
                if let Some(pending) = self.pending.borrow_mut().get_mut(&id) {
                    pending.has_begun = true;
                }
            }
            kind => {
                let pending = self.pending.borrow_mut().remove(&id);
                if let (Some(pending), "loaded") = (pending, kind) {
                    self.load.replace(Some((id, pending.message)));
                } else if kind == "unloaded" {
                    self.load.replace(None);
                }
            }
        }
    }
}

/// Hears other clients.
fn serve_others(leader: &Rc<dyn Lead>) -> Result<(), JsValue> {
    let requests = BroadcastChannel::new(&requests_channel())?;
    let clients: Rc<RefCell<BTreeMap<ClientId, Client>>> = Rc::default();
    let leader = Rc::clone(leader);
    on_message(&requests, move |data| {
        let Some(id) = Reflect::get(&data, &"client".into()).ok().and_then(|id| id.as_string()) else { return };
        let known = clients.borrow().get(&id).cloned();
        let client = if let Some(client) = known {
            client
        } else {
            let Ok(client) = Client::remote(&id) else { return };
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
    let request = Reflect::get(message, &REQUEST_KEY.into()).ok()?;
    let id = Reflect::get(&request, &"id".into()).ok()?.as_f64()?;
    (request_type(message)? != "interrupt").then_some(id as RequestId)
}

/// What a message's request is.
fn request_type(message: &JsValue) -> Option<String> {
    let request = Reflect::get(message, &REQUEST_KEY.into()).ok()?;
    Reflect::get(&request, &"type".into()).ok()?.as_string()
}

fn kind(data: &JsValue) -> Option<String> {
    Reflect::get(data, &"kind".into()).ok()?.as_string()
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
