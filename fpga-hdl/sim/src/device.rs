//! A whole verilated device behind its AXI4-Lite port: 32-bit reads and writes, as a mapped BAR has them; and before host memory.

use crate::bus::Bus;
use crate::memory::{Behaviour, HostMemory};
use crate::model::{Model, ModelError, Port};

/// Cycles after which a transfer that was not answered is a bug of the RTL.
const ANSWER_CYCLES_MAX: u64 = 1_000;

/// One handshake and what goes with it.
#[derive(Clone, Copy)]
struct Channel {
    valid: Port,
    ready: Port,
}

/// A simulated device. Time passes only in its methods.
pub struct Device {
    model: Model,
    bus: Bus,
    memory: HostMemory,
    /// Without memory whole runs of cycles pass at once.
    attached: bool,
    address_write: Channel,
    data_write: Channel,
    response: Channel,
    address_read: Channel,
    data_read: Channel,
    awaddr: Port,
    wdata: Port,
    araddr: Port,
    rdata: Port,
    pauses: Box<dyn FnMut() -> u64 + Send>,
}

impl Device {
    /// Builds the configuration of that name of `models.txt`.
    ///
    /// # Errors
    /// [`ModelError`] when there is no such configuration, or it is no device.
    pub fn new(name: &str) -> Result<Self, ModelError> {
        let mut model = Model::new(name)?;
        let channel = |valid, ready| -> Result<Channel, ModelError> {
            Ok(Channel { valid: model.port(valid)?, ready: model.port(ready)? })
        };
        let address_write = channel("awvalid_i", "awready_o")?;
        let data_write = channel("wvalid_i", "wready_o")?;
        let response = channel("bvalid_o", "bready_i")?;
        let address_read = channel("arvalid_i", "arready_o")?;
        let data_read = channel("rvalid_o", "rready_i")?;
        let [awaddr, wdata, araddr, rdata] =
            [model.port("awaddr_i")?, model.port("wdata_i")?, model.port("araddr_i")?, model.port("rdata_o")?];
        let strobes = model.port("wstrb_i")?;
        model.set(strobes, 0xf);
        Ok(Self {
            bus: Bus::new(&model)?,
            memory: HostMemory::new(0, 0, Behaviour::default(), 0),
            attached: false,
            model,
            address_write,
            data_write,
            response,
            address_read,
            data_read,
            awaddr,
            wdata,
            araddr,
            rdata,
            pauses: Box::new(|| 0),
        })
    }

    /// Makes the host pause before each handshake for as many cycles as `pauses` says.
    pub fn pause(&mut self, pauses: impl FnMut() -> u64 + Send + 'static) {
        self.pauses = Box::new(pauses);
    }

    /// Puts host memory behind the memory port; without it the port gets no answer.
    pub fn attach(&mut self, memory: HostMemory) {
        self.memory = memory;
        self.attached = true;
    }

    /// The memory that was attached; empty before.
    pub fn memory_mut(&mut self) -> &mut HostMemory {
        &mut self.memory
    }

    /// Writes a word.
    pub fn write(&mut self, address: u32, value: u32) {
        self.model.set(self.awaddr, address.into());
        self.model.set(self.wdata, value.into());
        let early = (self.pauses)();
        self.model.set(self.address_write.valid, 1);
        self.clock(early);
        self.model.set(self.data_write.valid, 1);
        self.until(self.data_write.ready);
        self.clock(1);
        self.model.set(self.address_write.valid, 0);
        self.model.set(self.data_write.valid, 0);
        self.answer(self.response);
    }

    /// Reads a word.
    pub fn read(&mut self, address: u32) -> u32 {
        self.model.set(self.araddr, address.into());
        self.model.set(self.address_read.valid, 1);
        self.until(self.address_read.ready);
        self.clock(1);
        self.model.set(self.address_read.valid, 0);
        self.answer(self.data_read)
    }

    /// Takes the answer after a pause and returns what stands at the read port.
    fn answer(&mut self, channel: Channel) -> u32 {
        let pause = (self.pauses)();
        self.clock(pause);
        self.model.set(channel.ready, 1);
        self.until(channel.valid);
        let word = self.model.get(self.rdata) as u32;
        self.clock(1);
        self.model.set(channel.ready, 0);
        word
    }

    fn until(&mut self, port: Port) {
        let start = self.model.cycles();
        self.model.eval();
        while self.model.get(port) == 0 {
            self.clock(1);
            assert!(self.model.cycles() - start < ANSWER_CYCLES_MAX, "the device does not answer");
        }
    }

    /// Lets cycles pass.
    pub fn clock(&mut self, cycles: u64) {
        if !self.attached {
            return self.model.clock(cycles);
        }
        for _ in 0..cycles {
            let answers = self.memory.cycle(self.model.cycles(), self.bus.offers(&self.model));
            self.bus.answer(&mut self.model, answers);
            self.model.clock(1);
        }
    }

    /// Cycles since the device was built.
    pub fn cycles(&self) -> u64 {
        self.model.cycles()
    }
}
