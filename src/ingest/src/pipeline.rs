//! One piece after the other through unpacking and reading into sinks, on all processors, in bounded memory.
//!
//! ```text
//! packed bytes ─unpack─▶ ─cut at line ends─▶ block ─Split─▶ queue ─┬─▶ Section::read ─▶ sink 0
//!               (caller's thread, in order)                        └─▶ Section::read ─▶ sink 1 …
//! ```
//!
//! Unpacking has one thread, because gzip has one; reading has all. When the queue is full, the thread that unpacks reads a
//! block itself: nobody waits while there is something to do. Each thread has a sink of its own. Formats that are not lines (Azure's documents) are read in order, on the caller's thread.
//!
//! INVARIANT: memory is that of the sinks and of a few blocks, however large a piece is.

mod account;
mod blocks;
mod queue;
mod stream;
mod worker;

use std::num::NonZeroUsize;
use std::thread;

use flow::Sink;
use flow::format::apart::Split;
use flow::format::{Format, FormatError, Reader};
use provider::flows::Packing;
use thiserror::Error;

pub use account::{Account, FAULTS_MAX};

use crate::unpack::{Limits, Unpacker};
use blocks::{Block, Blocks};
use queue::Queue;
use worker::Worker;

/// How much the pipeline may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Threads that read, the caller's among them.
    pub threads: NonZeroUsize,
    /// How much may come out of a piece.
    pub limits: Limits,
}

impl Settings {
    /// A thread for every processor, and the usual limits.
    pub fn of_machine() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, limits: Limits::default() }
    }
}

/// Why a piece was not read to its end. What was read before is in the sinks.
#[derive(Debug, Error)]
pub enum ReadError<E> {
    /// Its format has no reader. Nothing of it was read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Its bytes did not come.
    #[error(transparent)]
    Input(E),
}

/// Reads pieces into sinks, one for each thread.
#[derive(Debug)]
pub struct Pipeline<S> {
    workers: Vec<Worker<S>>,
    limits: Limits,
}

/// How the text of a piece is read.
enum Way {
    /// Blocks of lines, in any order.
    Apart(Split),
    InOrder(Reader),
}

impl Way {
    fn of(format: &Format, is_resumed: bool) -> Result<Self, FormatError> {
        match Split::of(format)? {
            Some(split) => Ok(Self::Apart(split)),
            None if is_resumed => Reader::resume(format).map(Self::InOrder),
            None => Reader::new(format).map(Self::InOrder),
        }
    }
}

impl<S: Sink + Send> Pipeline<S> {
    /// With a new sink for each thread.
    pub fn new(settings: Settings, mut sink: impl FnMut() -> S) -> Self {
        let workers = (0..settings.threads.get()).map(|_| Worker::new(sink())).collect();
        Self { workers, limits: settings.limits }
    }

    /// The sinks, to be told what is the same for all lines of the next piece.
    pub fn sinks(&mut self) -> impl Iterator<Item = &mut S> {
        self.workers.iter_mut().map(|worker| &mut worker.sink)
    }

    /// Reads one piece, whose packed bytes `input` gives in order, and gives an account of it.
    ///
    /// Faults are in the account and do not go to the sinks. Damage is no error: what came before it was read.
    ///
    /// # Errors
    /// Formats without a reader, and what `input` gives.
    pub fn read<E>(
        &mut self,
        format: &Format,
        packing: Packing,
        input: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<Account, ReadError<E>> {
        self.read_by(Way::of(format, false)?, packing, input)
    }

    /// Reads on where an earlier [`Account::read`] ended, in a piece that has grown since.
    ///
    /// # Errors
    /// As [`Pipeline::read`].
    pub fn resume<E>(
        &mut self,
        format: &Format,
        packing: Packing,
        input: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<Account, ReadError<E>> {
        self.read_by(Way::of(format, true)?, packing, input)
    }

    fn read_by<E>(
        &mut self,
        way: Way,
        packing: Packing,
        input: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<Account, ReadError<E>> {
        let unpacker = Unpacker::new(packing, self.limits);
        // Of a piece whose bytes did not come there may be some.
        drop(self.faults());
        match way {
            Way::Apart(split) => self.read_apart(split, unpacker, input),
            Way::InOrder(reader) => self.read_in_order(reader, unpacker, input),
        }
    }

    /// The sinks of all threads, which found what they found in no order.
    pub fn into_sinks(self) -> impl Iterator<Item = S> {
        self.workers.into_iter().map(|worker| worker.sink)
    }

    fn read_in_order<E>(
        &mut self,
        mut reader: Reader,
        mut unpacker: Unpacker,
        input: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<Account, ReadError<E>> {
        let Some(worker) = self.workers.first_mut() else { return Ok(Account::default()) };
        let mut sink = worker.watched();
        let damage = unpack(&mut unpacker, input, &mut |window| {
            reader.feed(window, &mut sink);
            window.clear();
        });
        let damage = damage.map_err(ReadError::Input)?;
        // What stands last in a damaged text is not whole.
        let end = damage.is_none().then(|| (reader.finish(&mut sink), reader.breaks_off()));
        let account = Account::new(&unpacker, damage, self.faults());
        let (read, breaks_off) = end.unwrap_or((account.unpacked, None));
        Ok(Account { read, breaks_off, ..account })
    }

    fn read_apart<E>(
        &mut self,
        split: Split,
        mut unpacker: Unpacker,
        input: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    ) -> Result<Account, ReadError<E>> {
        let Some((caller, helpers)) = self.workers.split_first_mut() else { return Ok(Account::default()) };
        let queue = &Queue::new(helpers.len());
        let mut blocks = Blocks::new(split);
        let mut helpers = Some(helpers);
        let damage = thread::scope(|scope| {
            // Closed whatever happens, or the helpers would wait for ever.
            let _closed = queue.close_at_end();
            let mut put = |block: Block| {
                // Small pieces are not worth a thread: helpers come with the first full block.
                for helper in helpers.take().into_iter().flatten() {
                    scope.spawn(|| helper.help(queue));
                }
                if let Some(block) = queue.push(block) {
                    caller.read(&block);
                    return block;
                }
                queue.spare()
            };
            let damage = unpack(&mut unpacker, input, &mut |window| blocks.feed(window, &mut put))?;
            // Behind those that wait: the faults that a thread keeps are its first.
            blocks.finish(&mut unpacker.rest(), damage.is_none(), &mut |block| match queue.push(block) {
                Some(block) => {
                    caller.read(&block);
                    block
                }
                None => queue.spare(),
            });
            while let Some(block) = queue.pop_now() {
                caller.read(&block);
            }
            Ok(damage)
        });
        let damage = damage.map_err(ReadError::Input)?;
        let mut faults = self.faults();
        faults.add(blocks.into_faults());
        Ok(Account::new(&unpacker, damage, faults))
    }

    /// What all threads could not read.
    fn faults(&mut self) -> account::Faults {
        let mut all = account::Faults::default();
        self.workers.iter_mut().for_each(|worker| all.add(std::mem::take(&mut worker.faults)));
        all
    }
}

/// Unpacks all of a piece; damage ends it.
fn unpack<E>(
    unpacker: &mut Unpacker,
    input: impl IntoIterator<Item = Result<Vec<u8>, E>>,
    take: &mut impl FnMut(&mut Vec<u8>),
) -> Result<Option<crate::unpack::Damage>, E> {
    for packed in input {
        if let Err(damage) = unpacker.feed(&packed?, take) {
            return Ok(Some(damage));
        }
    }
    Ok(unpacker.finish().err())
}
