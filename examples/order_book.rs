//! A replicated exchange: a limit order book with price-time priority. Two traders send thousands of orders at once; the
//! order in which they were decided is the order in which they match, so three matching engines make the same trades.

use paxon::fastpath::Reply;
use paxon::{Handle, LocalCluster, ProposeError, Slot, SnapshotError, StateMachine, Ticket};
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const ORDERS_PER_TRADER: u64 = 2000;
/// Bytes of an order: side (0 buys, 1 sells), price, quantity.
const ORDER_BYTES: usize = 9;

/// What one price has on offer, oldest order first: order numbers and open quantities.
type Level = VecDeque<(u64, u32)>;

/// Orders that wait for a counterpart, and what was traded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OrderBook {
    bids: BTreeMap<u32, Level>,
    asks: BTreeMap<u32, Level>,
    orders: u64,
    trades: u64,
    volume: u64,
    /// Hash of all trades in order.
    tape: u64,
}

impl OrderBook {
    /// Matches an order with the best prices of the other side; the rest waits. Returns the quantity that was traded.
    fn place(&mut self, sells: bool, price: u32, quantity: u32) -> u32 {
        self.orders += 1;
        let mut open = quantity;
        while open > 0 {
            let other = if sells { &mut self.bids } else { &mut self.asks };
            let best = if sells { other.last_entry() } else { other.first_entry() };
            let Some(mut level) =
                best.filter(|level| if sells { *level.key() >= price } else { *level.key() <= price })
            else {
                break;
            };
            let at = *level.key();
            let Some((maker, offered)) = level.get_mut().front_mut() else { break };
            let traded = open.min(*offered);
            (open, *offered) = (open - traded, *offered - traded);
            let trade = [*maker, self.orders, at.into(), traded.into()];
            if *offered == 0 {
                level.get_mut().pop_front();
            }
            if level.get().is_empty() {
                level.remove();
            }
            self.print(trade);
        }
        if open > 0 {
            let own = if sells { &mut self.asks } else { &mut self.bids };
            own.entry(price).or_default().push_back((self.orders, open));
        }
        quantity - open
    }

    fn print(&mut self, trade: [u64; 4]) {
        self.trades += 1;
        self.volume += trade[3];
        // FNV-1a over the words of the trade.
        self.tape = trade.iter().fold(self.tape, |tape, word| (tape ^ word).wrapping_mul(0x100_0000_01b3));
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else { return None };
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let mut next = || words.next();
        let mut book = Self { orders: next()?, trades: next()?, volume: next()?, tape: next()?, ..Self::default() };
        for side in [&mut book.bids, &mut book.asks] {
            for _ in 0..next()? {
                let (price, number, open) = (next()?, next()?, next()?);
                side.entry(price.try_into().ok()?).or_default().push_back((number, open.try_into().ok()?));
            }
        }
        words.next().is_none().then_some(book)
    }
}

impl StateMachine for OrderBook {
    fn apply(&mut self, _: Slot, command: &[u8], reply: &mut Reply) {
        let Ok(&[side, p0, p1, p2, p3, q0, q1, q2, q3]) = <&[u8; ORDER_BYTES]>::try_from(command) else { return };
        let traded = self.place(side == 1, u32::from_le_bytes([p0, p1, p2, p3]), u32::from_le_bytes([q0, q1, q2, q3]));
        reply.write(&traded.to_le_bytes());
    }

    fn snapshot(&self, into: &mut Vec<u8>) {
        let mut put = |word: u64| into.extend_from_slice(&word.to_le_bytes());
        [self.orders, self.trades, self.volume, self.tape].into_iter().for_each(&mut put);
        for side in [&self.bids, &self.asks] {
            put(side.values().map(|level| level.len() as u64).sum());
            for (price, level) in side {
                for (number, open) in level {
                    [u64::from(*price), *number, u64::from(*open)].into_iter().for_each(&mut put);
                }
            }
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        *self = Self::decode(bytes).ok_or(SnapshotError)?;
        Ok(())
    }

    fn digest(&self) -> u64 {
        let mut bytes = Vec::new();
        self.snapshot(&mut bytes);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
    }

    /// Answers any query with orders, trades, volume, best bid and best ask, each a `u64`; 0 stands for no price.
    fn query(&self, _: &[u8], reply: &mut Vec<u8>) {
        let bid = self.bids.last_key_value().map_or(0, |(price, _)| *price);
        let ask = self.asks.first_key_value().map_or(0, |(price, _)| *price);
        for word in [self.orders, self.trades, self.volume, bid.into(), ask.into()] {
            reply.extend_from_slice(&word.to_le_bytes());
        }
    }
}

/// A trader: keeps many orders under way and adds up what was traded by them. Orders that end in an error are not repeated.
fn trade(exchange: &Handle, seed: u64) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut random = seed;
    let mut below = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    let mut under_way = VecDeque::new();
    let mut volume = 0;
    for _ in 0..ORDERS_PER_TRADER {
        let mut order = [0; ORDER_BYTES];
        order[0] = below(2) as u8;
        order[1..5].copy_from_slice(&(9_900 + below(200) as u32).to_le_bytes());
        order[5..].copy_from_slice(&(1 + below(100) as u32).to_le_bytes());
        let ticket = loop {
            match exchange.propose(&order) {
                Ok(ticket) => break ticket,
                Err(ProposeError::Busy { retry_after }) => match under_way.pop_front() {
                    Some(oldest) => volume += traded_by(oldest)?,
                    None => std::thread::park_timeout(retry_after),
                },
                Err(error) => return Err(error.into()),
            }
        };
        under_way.push_back(ticket);
    }
    for ticket in under_way {
        volume += traded_by(ticket)?;
    }
    Ok(volume)
}

/// Waits for the outcome of an order: the quantity that it traded at once.
fn traded_by(order: Ticket) -> Result<u64, Box<dyn Error + Send + Sync>> {
    Ok(u32::from_le_bytes(order.wait()?[..].try_into()?).into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let cluster = LocalCluster::start(3, |_| OrderBook::default())?;
    let exchange = cluster.leader(PATIENCE).ok_or("no leader was elected")?;
    writeln!(out, "{} matches orders", exchange.replica())?;

    let begun = Instant::now();
    let volumes = std::thread::scope(|scope| {
        let traders = [7, 11].map(|seed| scope.spawn(move || trade(exchange, seed)));
        traders.map(|trader| trader.join().map_err(|_| "a trader panicked")?.map_err(|error| error.to_string().into()))
    });
    let mut taken = 0;
    for volume in volumes {
        taken += volume.map_err(|error: Box<dyn Error>| error)?;
    }
    let elapsed = begun.elapsed();

    let book = exchange.read(b"")?.wait()?;
    let words: Vec<u64> = book.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let [orders, trades, volume, bid, ask] = words[..] else { return Err("not the state of a book".into()) };
    writeln!(out, "{orders} orders in {} records and {elapsed:.1?}: {trades} trades, {volume} pieces", book.slot().0)?;
    writeln!(out, "the book stands at {bid} bid, {ask} asked")?;
    assert_eq!((orders, volume), (2 * ORDERS_PER_TRADER, taken), "the traders' replies account for every piece");
    assert!(bid < ask || ask == 0, "crossing orders have been matched");

    let digests = cluster.digests(book.slot(), PATIENCE)?;
    assert!(digests.iter().all(|(_, digest)| *digest == digests[0].1), "the matching engines differ");
    writeln!(out, "all three books have digest {:016x}", digests[0].1)?;
    Ok(())
}
