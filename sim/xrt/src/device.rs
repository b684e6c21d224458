//! Devices, kernels, buffers and runs behind the handles.

use std::collections::HashMap;
use std::path::Path;

use tercet_contract::registers as map;
use tercet_sim::{Card, CardConfig, CardError};
use tercet_xclbin::{ComputeUnit, Contents, Xclbin};

/// Codes of the system that the C functions return, negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs)] // those of errno.h
pub enum Errno {
    Perm = 1,
    NoEntry = 2,
    Io = 5,
    BadHandle = 9,
    NoMemory = 12,
    Busy = 16,
    NoDevice = 19,
    Invalid = 22,
}

/// State of a run, as XRT numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum RunState {
    /// Not started.
    New = 1,
    /// Under way.
    Running = 3,
    /// Ended.
    Completed = 4,
    /// The card failed.
    Error = 5,
    /// A wait ended before the run.
    Timeout = 8,
}

/// Alignment of buffers on the card, as XRT has it.
const BUFFER_ALIGNMENT: u64 = 4096;

/// Clock in MHz where an image names none.
const DEFAULT_MHZ: u16 = 250;

impl From<CardError> for Errno {
    fn from(error: CardError) -> Self {
        match error {
            CardError::Address { .. } | CardError::Register { .. } => Errno::Invalid,
            CardError::Dead => Errno::NoDevice,
            _ => Errno::Io,
        }
    }
}

/// What a handle stands for.
enum Object {
    Device,
    Kernel { cu: usize, exclusive: bool },
    Buffer(Buffer),
    Run(Run),
}

struct Buffer {
    address: u64,
    /// On the host. Boxed, so that it stays where it is mapped.
    bytes: Box<[u8]>,
}

struct Run {
    cu: usize,
    /// By argument id.
    values: HashMap<u32, u64>,
    state: RunState,
}

/// The one device, and all handles.
#[derive(Default)]
pub struct Devices {
    objects: HashMap<u64, Object>,
    last_handle: u64,
    card: Option<(Card, Xclbin)>,
}

impl Devices {
    fn insert(&mut self, object: Object) -> u64 {
        self.last_handle += 1;
        self.objects.insert(self.last_handle, object);
        self.last_handle
    }

    fn contents(&self) -> Result<&Contents, Errno> {
        let (_, image) = self.card.as_ref().ok_or(Errno::NoDevice)?;
        Ok(image.contents())
    }

    fn card(&mut self) -> Result<&mut Card, Errno> {
        self.card
            .as_mut()
            .map(|(card, _)| card)
            .ok_or(Errno::NoDevice)
    }

    fn unit(&self, cu: usize) -> Result<&ComputeUnit, Errno> {
        self.contents()?
            .compute_units
            .get(cu)
            .ok_or(Errno::NoDevice)
    }

    fn expect_device(&self, handle: u64) -> Result<(), Errno> {
        match self.objects.get(&handle) {
            Some(Object::Device) => Ok(()),
            _ => Err(Errno::BadHandle),
        }
    }

    /// Opens device 0, the only one.
    pub fn open(&mut self, index: u32) -> Result<u64, Errno> {
        match index {
            0 => Ok(self.insert(Object::Device)),
            _ => Err(Errno::NoDevice),
        }
    }

    /// Forgets a handle of any kind.
    pub fn close(&mut self, handle: u64) -> Result<(), Errno> {
        self.objects.remove(&handle).ok_or(Errno::BadHandle)?;
        let open = |object: &Object| matches!(object, Object::Device);
        if !self.objects.values().any(open) {
            self.card = None;
        }
        Ok(())
    }

    /// Loads an image: the card that it describes is there from then on. One that is loaded already changes nothing.
    pub fn load(&mut self, device: u64, path: &Path) -> Result<(), Errno> {
        self.expect_device(device)?;
        let image = Xclbin::read(path).map_err(|_| Errno::Invalid)?;
        if self
            .card
            .as_ref()
            .is_some_and(|(_, old)| old.uuid() == image.uuid())
        {
            return Ok(());
        }
        let contents = image.contents();
        let geometry = contents.geometry().ok_or(Errno::Invalid)?;
        let clock_hz = u64::from(contents.clock_mhz().unwrap_or(DEFAULT_MHZ)) * 1_000_000;
        let config = CardConfig::new(geometry, contents.compute_units.len(), clock_hz);
        let card = Card::open(&config)?;
        self.card = Some((card, image));
        Ok(())
    }

    /// The loaded image's name.
    pub fn uuid(&self, device: u64) -> Result<[u8; 16], Errno> {
        self.expect_device(device)?;
        let (_, image) = self.card.as_ref().ok_or(Errno::NoDevice)?;
        Ok(image.uuid().0)
    }

    /// Opens a compute unit, named `kernel:{instance}` or, where there is one only, `kernel`.
    pub fn kernel(
        &mut self,
        device: u64,
        uuid: &[u8; 16],
        name: &str,
        exclusive: bool,
    ) -> Result<u64, Errno> {
        if self.uuid(device)? != *uuid {
            return Err(Errno::Invalid);
        }
        let units = &self.contents()?.compute_units;
        let named = |unit: &ComputeUnit| {
            unit.open_name() == name || (units.len() == 1 && unit.kernel == name)
        };
        let cu = units.iter().position(named).ok_or(Errno::NoEntry)?;
        let taken = self.objects.values().any(|object| match object {
            Object::Kernel {
                cu: other,
                exclusive: alone,
            } => *other == cu && (exclusive || *alone),
            _ => false,
        });
        match taken {
            true => Err(Errno::Busy),
            false => Ok(self.insert(Object::Kernel { cu, exclusive })),
        }
    }

    fn kernel_of(&self, handle: u64) -> Result<(usize, bool), Errno> {
        match self.objects.get(&handle) {
            Some(Object::Kernel { cu, exclusive }) => Ok((*cu, *exclusive)),
            _ => Err(Errno::BadHandle),
        }
    }

    /// Memory that the buffer of an argument may lie in.
    pub fn group(&self, kernel: u64, argument: i32) -> Result<u32, Errno> {
        let unit = self.unit(self.kernel_of(kernel)?.0)?;
        let mut connections = unit.connections.iter();
        let found = connections.find(|c| i64::from(c.argument) == i64::from(argument));
        found.map(|c| c.memory as u32).ok_or(Errno::Invalid)
    }

    /// Register of an argument.
    pub fn argument_offset(&self, kernel: u64, argument: i32) -> Result<u32, Errno> {
        let unit = self.unit(self.kernel_of(kernel)?.0)?;
        let mut arguments = unit.arguments.iter();
        let found = arguments.find(|a| i64::from(a.id) == i64::from(argument));
        found.map(|a| a.offset as u32).ok_or(Errno::Invalid)
    }

    /// Control address of a register of a kernel that is opened for this handle alone.
    fn register(&self, kernel: u64, offset: u32) -> Result<u64, Errno> {
        match self.kernel_of(kernel)? {
            (cu, true) => Ok(self.unit(cu)?.base + u64::from(offset)),
            (_, false) => Err(Errno::Perm),
        }
    }

    /// Reads a register.
    pub fn read_register(&mut self, kernel: u64, offset: u32) -> Result<u32, Errno> {
        let address = self.register(kernel, offset)?;
        Ok(self.card()?.read_register(address)?)
    }

    /// Writes a register.
    pub fn write_register(&mut self, kernel: u64, offset: u32, value: u32) -> Result<(), Errno> {
        let address = self.register(kernel, offset)?;
        Ok(self.card()?.write_register(address, value)?)
    }

    /// Allocates a buffer in a memory: on the card, and on the host.
    pub fn allocate(&mut self, device: u64, bytes: usize, group: u32) -> Result<u64, Errno> {
        self.expect_device(device)?;
        let memory = self
            .contents()?
            .memories
            .get(group as usize)
            .ok_or(Errno::Invalid)?;
        let (base, room) = (memory.base, memory.bytes);
        if bytes == 0 || bytes as u64 > room {
            return Err(Errno::Invalid);
        }
        let address = self
            .place(base, room, bytes as u64)
            .ok_or(Errno::NoMemory)?;
        let mut host = Vec::new();
        host.try_reserve_exact(bytes).map_err(|_| Errno::NoMemory)?;
        host.resize(bytes, 0);
        self.card()?.allocate(address, bytes as u64)?;
        let bytes = host.into_boxed_slice();
        Ok(self.insert(Object::Buffer(Buffer { address, bytes })))
    }

    /// The first gap between buffers that is large enough.
    fn place(&self, base: u64, room: u64, bytes: u64) -> Option<u64> {
        let mut taken: Vec<(u64, u64)> = self
            .objects
            .values()
            .filter_map(|object| match object {
                Object::Buffer(b) => Some((b.address, b.address + b.bytes.len() as u64)),
                _ => None,
            })
            .filter(|(from, _)| (base..base + room).contains(from))
            .collect();
        taken.sort_unstable();
        let mut at = base;
        for (from, to) in taken {
            if at + bytes <= from {
                break;
            }
            at = to.next_multiple_of(BUFFER_ALIGNMENT);
        }
        (at + bytes <= base + room).then_some(at)
    }

    fn buffer(&mut self, handle: u64) -> Result<&mut Buffer, Errno> {
        match self.objects.get_mut(&handle) {
            Some(Object::Buffer(buffer)) => Ok(buffer),
            _ => Err(Errno::BadHandle),
        }
    }

    /// Bytes of a buffer.
    pub fn buffer_bytes(&mut self, handle: u64) -> Result<usize, Errno> {
        Ok(self.buffer(handle)?.bytes.len())
    }

    /// Where a buffer lies on the card.
    pub fn buffer_address(&mut self, handle: u64) -> Result<u64, Errno> {
        Ok(self.buffer(handle)?.address)
    }

    /// Where a buffer lies on the host, until it is closed.
    pub fn buffer_map(&mut self, handle: u64) -> Result<*mut u8, Errno> {
        Ok(self.buffer(handle)?.bytes.as_mut_ptr())
    }

    /// Part of a buffer on the host.
    pub fn part(&mut self, handle: u64, offset: usize, bytes: usize) -> Result<&mut [u8], Errno> {
        let end = offset.checked_add(bytes).ok_or(Errno::Invalid)?;
        self.buffer(handle)?
            .bytes
            .get_mut(offset..end)
            .ok_or(Errno::Invalid)
    }

    /// Copies part of a buffer to the card or from it.
    pub fn sync(
        &mut self,
        handle: u64,
        to_device: bool,
        offset: usize,
        bytes: usize,
    ) -> Result<(), Errno> {
        self.part(handle, offset, bytes)?;
        let Devices { objects, card, .. } = self;
        let Some(Object::Buffer(buffer)) = objects.get_mut(&handle) else {
            return Err(Errno::BadHandle);
        };
        let (card, _) = card.as_mut().ok_or(Errno::NoDevice)?;
        let address = buffer.address + offset as u64;
        let part = &mut buffer.bytes[offset..offset + bytes];
        match to_device {
            true => card.write_memory(address, part)?,
            false => card.read_memory(address, part)?,
        }
        Ok(())
    }

    /// A run of a kernel, without arguments.
    pub fn run(&mut self, kernel: u64) -> Result<u64, Errno> {
        let (cu, _) = self.kernel_of(kernel)?;
        Ok(self.insert(Object::Run(Run {
            cu,
            values: HashMap::new(),
            state: RunState::New,
        })))
    }

    fn run_of(&mut self, handle: u64) -> Result<&mut Run, Errno> {
        match self.objects.get_mut(&handle) {
            Some(Object::Run(run)) => Ok(run),
            _ => Err(Errno::BadHandle),
        }
    }

    /// Sets an argument: a number, or the handle of a buffer.
    pub fn set_argument(&mut self, run: u64, argument: i32, value: u64) -> Result<(), Errno> {
        let cu = self.run_of(run)?.cu;
        let id = u32::try_from(argument).map_err(|_| Errno::Invalid)?;
        let mut arguments = self.unit(cu)?.arguments.iter();
        let found = arguments.find(|a| a.id == id).ok_or(Errno::Invalid)?;
        let (is_buffer, bytes) = (found.buffer, found.bytes);
        let value = match (is_buffer, bytes) {
            (true, _) => self.buffer_address(value)?,
            (false, 8) => value,
            // The rest of what was passed is undefined.
            (false, _) => value & u64::from(u32::MAX),
        };
        self.run_of(run)?.values.insert(id, value);
        Ok(())
    }

    /// Writes the arguments and starts the kernel. All must have been set.
    pub fn start(&mut self, handle: u64) -> Result<(), Errno> {
        let run = self.run_of(handle)?;
        let (cu, values) = (run.cu, run.values.clone());
        let busy = |object: &Object| matches!(object, Object::Run(r) if r.cu == cu && r.state == RunState::Running);
        if self.objects.values().any(busy) {
            return Err(Errno::Busy);
        }
        let unit = self.unit(cu)?;
        let base = unit.base;
        let mut words = Vec::new();
        for argument in &unit.arguments {
            let value = *values.get(&argument.id).ok_or(Errno::Invalid)?;
            words.push((argument.offset, value as u32));
            if argument.bytes == 8 {
                words.push((argument.offset + 4, (value >> 32) as u32));
            }
        }
        words.push((map::CTRL.into(), map::CTRL_START));
        for (offset, word) in words {
            self.card()?.write_register(base + offset, word)?;
        }
        self.run_of(handle)?.state = RunState::Running;
        Ok(())
    }

    /// State of a run; while it is under way, the card gets some time.
    pub fn state(&mut self, handle: u64) -> Result<RunState, Errno> {
        let run = self.run_of(handle)?;
        let (cu, state) = (run.cu, run.state);
        if state != RunState::Running {
            return Ok(state);
        }
        let address = self.unit(cu)?.base + u64::from(map::CTRL);
        let state = match self.card()?.read_register(address) {
            Ok(ctrl) if ctrl & map::CTRL_DONE != 0 => RunState::Completed,
            Ok(_) => RunState::Running,
            Err(_) => RunState::Error,
        };
        self.run_of(handle)?.state = state;
        Ok(state)
    }
}
