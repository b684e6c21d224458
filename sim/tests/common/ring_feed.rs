//! A job whose commands go through a ring.

use tercet_contract::command::COMMAND_BYTES;
use tercet_sim::{Counters, Kernel, Memory, Ring};

use super::job::Job;

/// The host's side of a ring.
pub struct RingFeed<'a> {
    job: &'a Job,
    entries: u32,
    tail: u32,
    image: Vec<u8>,
}

impl<'a> RingFeed<'a> {
    /// Loads the memories, and starts a ring of `entries` records in place of the job's list.
    pub fn start(job: &'a Job, kernel: &mut dyn Kernel, entries: u32) -> Self {
        assert!(entries as usize <= job.commands.len(), "room of the list");
        let mut image = job.empty_image();
        image[job.completion as usize..][..4].fill(0);
        job.load_image(kernel, &image);
        kernel
            .ring_start(Ring {
                records: job.list,
                entries,
                completion: job.completion,
            })
            .unwrap();
        RingFeed {
            job,
            entries,
            tail: 0,
            image,
        }
    }

    /// Commands submitted.
    pub fn tail(&self) -> usize {
        self.tail as usize
    }

    /// Writes the records of the next `commands` and rings the doorbell.
    pub fn submit(&mut self, kernel: &mut dyn Kernel, commands: usize) -> Counters {
        for _ in 0..commands {
            let at = self.job.list as usize + (self.tail % self.entries) as usize * COMMAND_BYTES;
            let record = self.job.commands[self.tail as usize].to_bytes();
            self.image[at..at + COMMAND_BYTES].copy_from_slice(&record);
            kernel.write(Memory::Data, at as u64, &record).unwrap();
            self.tail += 1;
        }
        kernel
            .ring_dispatch(self.tail)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    /// [`RingFeed::submit`], all of which must succeed.
    pub fn must_submit(&mut self, kernel: &mut dyn Kernel, commands: usize) {
        let from = self.tail();
        let counters = self.submit(kernel, commands);
        self.job.check_counters(&counters, from, self.tail());
        self.check(kernel, self.tail(), None);
    }

    /// The memory after `done` commands, which the completion word must say, and a failure.
    pub fn check(&self, kernel: &mut dyn Kernel, done: usize, undefined: Option<usize>) {
        let mut image = self.image.clone();
        let word = self.job.completion as usize;
        image[word..word + 4].copy_from_slice(&(done as u32).to_le_bytes());
        self.job.check_image(kernel, image, done, undefined);
    }
}
