//! The order in which clients get their passwords hashed.
//!
//! Clients that are known get three turns for one of the others; within a class, clients take turns, however many
//! requests each of them has. When the queue is full, the client with the most requests loses its last one to a client with fewer.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use sotto_domain::UserId;

use crate::http::client_network::household;

/// Jobs that may wait in each class.
const MAX_WAITING: usize = 64;

/// Jobs of known clients, one after another, after which one of another client has its turn.
const KNOWN_IN_A_ROW: usize = 3;

/// Whose turn a job takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    client: Client,
    class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    Server,
    User(UserId),
    Network(IpAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Signed in, or signed in before.
    Known,
    Unknown,
}

impl Turn {
    /// The server itself.
    pub fn server() -> Self {
        Self { client: Client::Server, class: Class::Known }
    }

    /// A user who is signed in.
    pub fn of_user(user: UserId) -> Self {
        Self { client: Client::User(user), class: Class::Known }
    }

    /// A client who is not signed in. It is known if it signed in to the same account before.
    pub fn of_client(address: IpAddr, is_known: bool) -> Self {
        let class = if is_known { Class::Known } else { Class::Unknown };
        Self { client: Client::Network(household(address)), class }
    }
}

/// The queue. A job that is not accepted, or that is displaced, is dropped.
pub(super) struct Queue<J> {
    known: Lanes<J>,
    unknown: Lanes<J>,
    /// Jobs of known clients since the last one of another client.
    known_in_a_row: usize,
}

impl<J> Default for Queue<J> {
    fn default() -> Self {
        Self { known: Lanes::default(), unknown: Lanes::default(), known_in_a_row: 0 }
    }
}

/// A job that found no place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<J> Queue<J> {
    pub(super) fn push(&mut self, turn: Turn, job: J) -> Result<(), Full> {
        match turn.class {
            Class::Known => self.known.push(turn.client, job),
            Class::Unknown => self.unknown.push(turn.client, job),
        }
    }

    /// The next job. After some jobs of known clients, one of the others has its turn, so that one member cannot keep
    /// everybody else from signing in for the first time.
    pub(super) fn pop(&mut self) -> Option<J> {
        if self.known_in_a_row >= KNOWN_IN_A_ROW
            && let Some(job) = self.unknown.pop()
        {
            self.known_in_a_row = 0;
            return Some(job);
        }
        if let Some(job) = self.known.pop() {
            self.known_in_a_row += 1;
            return Some(job);
        }
        self.known_in_a_row = 0;
        self.unknown.pop()
    }

    pub(super) fn len(&self) -> usize {
        self.known.count + self.unknown.count
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// One class: a lane for each client, served in turn.
struct Lanes<J> {
    waiting: HashMap<Client, VecDeque<J>>,
    /// The clients with jobs, the next one first.
    order: VecDeque<Client>,
    count: usize,
}

impl<J> Default for Lanes<J> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), count: 0 }
    }
}

impl<J> Lanes<J> {
    fn push(&mut self, client: Client, job: J) -> Result<(), Full> {
        let own = self.waiting.get(&client).map_or(0, VecDeque::len);
        if self.count >= MAX_WAITING && !self.displace(own) {
            return Err(Full);
        }
        let lane = self.waiting.entry(client).or_default();
        if lane.is_empty() {
            self.order.push_back(client);
        }
        lane.push_back(job);
        self.count += 1;
        Ok(())
    }

    /// Drops the last job of the client with the most jobs, if that client has more than one more than `own`.
    fn displace(&mut self, own: usize) -> bool {
        let longest = self.waiting.values_mut().max_by_key(|lane| lane.len());
        let Some(lane) = longest.filter(|lane| lane.len() > own + 1) else { return false };
        lane.pop_back();
        self.count -= 1;
        true
    }

    fn pop(&mut self) -> Option<J> {
        let client = self.order.pop_front()?;
        let lane = self.waiting.get_mut(&client)?;
        let job = lane.pop_front();
        if lane.is_empty() {
            self.waiting.remove(&client);
        } else {
            self.order.push_back(client);
        }
        self.count -= usize::from(job.is_some());
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(number: u8) -> Turn {
        Turn::of_client([192, 0, 2, number].into(), false)
    }

    #[test]
    fn a_full_queue_is_shared_evenly() {
        let mut queue = Queue::default();
        for job in 0..8 {
            for client in 0..8 {
                queue.push(stranger(client), (client, job)).unwrap();
            }
        }
        assert_eq!(queue.push(stranger(0), (0, 8)), Err(Full));
        // A newcomer displaces others' last jobs until nobody has more than one job more.
        let accepted = (0..8).filter(|job| queue.push(stranger(99), (99, *job)).is_ok()).count();
        assert_eq!((accepted, queue.len()), (7, 64));
        // The known do not compete with them.
        queue.push(Turn::of_client([192, 0, 2, 0].into(), true), (100, 0)).unwrap();
        assert_eq!(queue.pop(), Some((100, 0)));
        let first_round: Vec<_> = (0..9).map(|_| queue.pop().unwrap()).collect();
        assert_eq!(first_round.iter().map(|(client, _)| *client).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 99]);
        while queue.pop().is_some() {}
        assert_eq!(queue.len(), 0);
        assert!(queue.unknown.waiting.is_empty());
    }

    #[test]
    fn known_clients_go_first_and_leave_turns_to_the_others() {
        let mut queue = Queue::default();
        for job in 0..8 {
            queue.push(Turn::of_client([192, 0, 2, 1].into(), true), job).unwrap();
        }
        queue.push(stranger(2), 100).unwrap();
        queue.push(stranger(3), 101).unwrap();
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [0, 1, 2, 100, 3, 4, 5, 101, 6, 7]);
    }

    #[test]
    fn one_client_may_fill_the_queue_until_others_come() {
        let mut queue = Queue::default();
        for job in 0..64 {
            queue.push(stranger(0), job).unwrap();
        }
        assert_eq!(queue.push(stranger(0), 64), Err(Full));
        queue.push(stranger(1), 100).unwrap();
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(0), Some(100), Some(1)));
    }

    #[test]
    fn a_queue_of_many_clients_refuses_more() {
        let mut queue = Queue::default();
        for client in 0..64 {
            queue.push(stranger(client), client).unwrap();
        }
        assert_eq!(queue.push(stranger(64), 64), Err(Full));
    }
}
