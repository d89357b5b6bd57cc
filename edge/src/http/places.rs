//! The open connections of a server, and the places for them. A connection without a place is closed.
//!
//! A connection begins as a *stranger*. A valid token makes it *known*, an endless stream without one makes it a
//! *listener*, and each kind has places of its own, in all and for one address. So neither streams nor slow requests
//! keep a client with a token out. When the places for strangers are taken, a newcomer gets that of the oldest
//! stranger at the address that has the most.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Number of places for connections of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// In all.
    pub all: usize,
    /// For one address; for known connections, for one token.
    pub each: usize,
}

/// Places for connections that have shown no token and hold no stream, unless a server asks for others.
const STRANGERS: Share = Share { all: 128, each: 32 };
/// Places for connections that have shown a valid token.
const KNOWN: Share = Share { all: 128, each: 96 };
/// For this time a stranger keeps its place even if another one comes from its own address.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// No place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are too many connections, or too many from one address; close some, or try again later")]
pub struct Full;

/// The open connections of one server.
#[derive(Debug)]
pub struct Places {
    strangers: Share,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// In the order of their arrival.
    open: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    number: u64,
    from: IpAddr,
    since: Instant,
    kind: Kind,
    close: Arc<Notify>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Stranger,
    /// Holds a stream of this name.
    Listener(&'static str),
    /// Has shown the token with this SHA-256.
    Known(String),
}

/// The place of a connection. Dropping it makes room for another.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    from: IpAddr,
    close: Arc<Notify>,
}

impl Default for Places {
    fn default() -> Self {
        Self::with(STRANGERS)
    }
}

impl Places {
    /// Places without a connection, `strangers` of them for connections without a token or a stream.
    #[must_use]
    pub fn with(strangers: Share) -> Self {
        Self { strangers, table: Mutex::default() }
    }

    /// Gives a place to a new connection from `from`.
    ///
    /// # Errors
    /// [`Full`] when no place is free, and none can be freed.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr) -> Result<Place, Full> {
        // An IPv4 address has one share, whether it connects to 0.0.0.0 or to [::].
        let from = from.to_canonical();
        let close = Arc::new(Notify::new());
        let mut table = self.lock();
        table.make_room(from, self.strangers)?;
        let number = table.next;
        table.next += 1;
        let kind = Kind::Stranger;
        table.open.push(Connection { number, from, since: Instant::now(), kind, close: Arc::clone(&close) });
        drop(table);
        Ok(Place { places: Arc::clone(self), number, from, close })
    }

    /// Whether a connection with a token is open.
    #[must_use]
    pub fn has_known(&self) -> bool {
        self.lock().open.iter().any(|connection| matches!(connection.kind, Kind::Known(_)))
    }

    /// Closes every connection whose token, by its SHA-256, is not valid any longer.
    pub fn close_revoked(&self, is_valid: impl Fn(&str) -> bool) {
        let gone = |connection: &Connection| matches!(&connection.kind, Kind::Known(token) if !is_valid(token));
        self.lock()
            .open
            .iter()
            .filter(|connection| gone(connection))
            .for_each(|connection| connection.close.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Closes a stranger if the places for strangers are taken.
    fn make_room(&mut self, from: IpAddr, share: Share) -> Result<(), Full> {
        let strangers = || self.open.iter().filter(|other| other.kind == Kind::Stranger);
        let at = |address: IpAddr| strangers().filter(|other| other.from == address).count();
        let here = at(from);
        let crowded = if here >= share.each {
            from
        } else if strangers().count() >= share.all {
            let most = strangers().map(|other| other.from).max_by_key(|address| at(*address));
            most.ok_or(Full)?
        } else {
            return Ok(());
        };
        // `here + 1`, because two addresses with equal shares would otherwise displace each other for ever.
        let disturbs = at(crowded) > here + 1;
        let may_go = |other: &Connection| disturbs || other.since.elapsed() >= UNDISTURBED;
        let goes = |other: &Connection| other.kind == Kind::Stranger && other.from == crowded && may_go(other);
        let place = self.open.iter().position(goes).ok_or(Full)?;
        self.open.remove(place).close.notify_one();
        Ok(())
    }

    /// Makes a connection one of another kind, if that kind has a place left.
    fn change(&mut self, number: u64, kind: Kind, share: Share) -> Result<(), Full> {
        let place = self.open.iter().position(|connection| connection.number == number).ok_or(Full)?;
        if self.open[place].kind == kind {
            return Ok(());
        }
        let from = self.open[place].from;
        let is_alike = |other: &Connection| match (&other.kind, &kind) {
            (Kind::Known(_), Kind::Known(_)) => true,
            (other, kind) => other == kind,
        };
        let is_same = |other: &Connection| match &kind {
            Kind::Known(_) => other.kind == kind,
            _ => other.from == from,
        };
        let others = || self.open.iter().filter(|other| other.number != number && is_alike(other));
        if others().count() >= share.all || others().filter(|other| is_same(other)).count() >= share.each {
            return Err(Full);
        }
        self.open[place].kind = kind;
        Ok(())
    }
}

impl Place {
    /// Address of the client.
    #[must_use]
    pub fn from(&self) -> IpAddr {
        self.from
    }

    /// Records that the client has shown a valid token, given as its SHA-256.
    ///
    /// # Errors
    /// [`Full`] when the connections with tokens have taken all their places.
    pub fn known(&self, token: &str) -> Result<(), Full> {
        self.places.lock().change(self.number, Kind::Known(token.to_owned()), KNOWN)
    }

    /// Records that the client holds a stream. Streams of one name share `share`; a client with a token needs no place
    /// in it.
    ///
    /// # Errors
    /// [`Full`] when the streams of this name have taken all their places.
    pub fn listens(&self, stream: &'static str, share: Share) -> Result<(), Full> {
        let mut table = self.places.lock();
        let is_known = |other: &Connection| other.number == self.number && matches!(other.kind, Kind::Known(_));
        if table.open.iter().any(is_known) {
            return Ok(());
        }
        table.change(self.number, Kind::Listener(stream), share)
    }

    /// Waits until this connection has to be closed.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().open.retain(|connection| connection.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAMS: Share = Share { all: 4, each: 2 };

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn full(places: &Arc<Places>) -> Vec<Place> {
        let addresses = (1..=(STRANGERS.all / STRANGERS.each) as u8).map(address);
        addresses.flat_map(|from| (0..STRANGERS.each).map(move |_| places.admit(from).unwrap())).collect()
    }

    fn is_open(place: &Place) -> bool {
        place.places.lock().open.iter().any(|open| open.number == place.number)
    }

    fn age(places: &Places) {
        let long_ago = Instant::now().checked_sub(UNDISTURBED).unwrap();
        places.lock().open.iter_mut().for_each(|open| open.since = long_ago);
    }

    #[test]
    fn a_newcomer_gets_the_place_of_the_oldest_where_there_are_most() {
        let places = Arc::new(Places::default());
        let mut open = full(&places);
        assert_eq!(places.admit(address(1)).unwrap_err(), Full, "the places of one address are just taken");
        let first = places.admit(address(9)).unwrap();
        assert_eq!(open.iter().filter(|place| !is_open(place)).count(), 1, "another address still gets one");
        age(&places);
        let own = places.admit(address(2)).unwrap();
        assert!(!is_open(&open[STRANGERS.each]), "its own oldest connection made room");
        assert!(is_open(&first) && is_open(&own));
        assert!(places.lock().open.len() <= STRANGERS.all);
        open.clear();
        drop((first, own));
        assert!(places.lock().open.is_empty(), "closed connections leave no entry");
    }

    #[test]
    fn a_token_gives_a_place_that_no_stranger_takes() {
        let places = Arc::new(Places::default());
        let pair = |_| {
            let place = places.admit(address(1)).unwrap();
            place.known("ann").unwrap();
            place
        };
        let known: Vec<Place> = (0..KNOWN.each).map(pair).collect();
        let strangers = full(&places);
        age(&places);
        let more = places.admit(address(1)).unwrap();
        assert!(known.iter().all(is_open) && strangers.iter().any(|place| !is_open(place)));
        assert_eq!(more.known("ann"), Err(Full), "one token has its share");
        more.known("bob").unwrap();
        more.listens("events", Share { all: 0, each: 0 }).unwrap();
    }

    #[test]
    fn streams_have_places_of_their_own_in_all_and_by_address() {
        let places = Arc::new(Places::default());
        let listening = |number: u8| {
            let place = places.admit(address(number)).unwrap();
            place.listens("events", STREAMS).map(|()| place)
        };
        let open: Vec<Place> = [1, 1, 2, 2].map(|number| listening(number).unwrap()).into();
        open[0].listens("events", STREAMS).unwrap();
        assert_eq!(listening(3).unwrap_err(), Full);
        drop(open);
        let one = [listening(1).unwrap(), listening(1).unwrap()];
        assert_eq!(listening(1).unwrap_err(), Full);
        places.admit(address(1)).unwrap().listens("others", STREAMS).unwrap();
        drop(one);
    }

    #[tokio::test]
    async fn a_revoked_token_closes_its_connections_and_no_others() {
        let places = Arc::new(Places::default());
        let [ann, bob, stranger] = [1, 2, 3].map(|number| places.admit(address(number)).unwrap());
        ann.known("a").unwrap();
        bob.known("b").unwrap();
        places.close_revoked(|token| token == "b");
        let soon = Duration::from_millis(50);
        tokio::time::timeout(soon, ann.closed()).await.unwrap();
        for open in [&bob, &stranger] {
            assert!(tokio::time::timeout(soon, open.closed()).await.is_err());
        }
    }
}
