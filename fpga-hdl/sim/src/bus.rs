//! The ports of the AXI4 memory port, moved once in a cycle.

use crate::memory::{Answers, Offers, ReadBurst};
use crate::model::{Model, ModelError, Port};

/// A burst of AXI4 of type INCR; beats of eight bytes.
const INCREMENTING: u64 = 1;
const EIGHT_BYTES: u64 = 3;

/// The device is the master: its outputs are offers, its inputs answers.
pub(crate) struct Bus {
    arvalid: Port,
    arid: Port,
    araddr: Port,
    arlen: Port,
    awvalid: Port,
    awaddr: Port,
    wvalid: Port,
    wdata: Port,
    arready: Port,
    awready: Port,
    wready: Port,
    rvalid: Port,
    rid: Port,
    rdata: Port,
    rresp: Port,
    rlast: Port,
    bvalid: Port,
    bresp: Port,
}

impl Bus {
    pub fn new(model: &Model) -> Result<Self, ModelError> {
        let constants = [
            ("m_arsize_o", EIGHT_BYTES),
            ("m_arburst_o", INCREMENTING),
            ("m_awsize_o", EIGHT_BYTES),
            ("m_awburst_o", INCREMENTING),
            ("m_awlen_o", 0),
            ("m_wstrb_o", 0xff),
            ("m_wlast_o", 1),
            ("m_rready_o", 1),
            ("m_bready_o", 1),
        ];
        for (name, value) in constants {
            let port = model.port(name)?;
            assert_eq!(model.get(port), value, "{name}");
        }
        let port = |name: &str| model.port(name);
        Ok(Self {
            arvalid: port("m_arvalid_o")?,
            arid: port("m_arid_o")?,
            araddr: port("m_araddr_o")?,
            arlen: port("m_arlen_o")?,
            awvalid: port("m_awvalid_o")?,
            awaddr: port("m_awaddr_o")?,
            wvalid: port("m_wvalid_o")?,
            wdata: port("m_wdata_o")?,
            arready: port("m_arready_i")?,
            awready: port("m_awready_i")?,
            wready: port("m_wready_i")?,
            rvalid: port("m_rvalid_i")?,
            rid: port("m_rid_i")?,
            rdata: port("m_rdata_i")?,
            rresp: port("m_rresp_i")?,
            rlast: port("m_rlast_i")?,
            bvalid: port("m_bvalid_i")?,
            bresp: port("m_bresp_i")?,
        })
    }

    /// What the device offers. Its outputs are registers: they stand before the inputs of the cycle do.
    pub fn offers(&self, model: &Model) -> Offers {
        let offered = |valid: Port| (model.get(valid) != 0).then_some(());
        Offers {
            read: offered(self.arvalid).map(|()| ReadBurst {
                id: model.get(self.arid),
                address: model.get(self.araddr),
                words: model.get(self.arlen) + 1,
            }),
            write_address: offered(self.awvalid).map(|()| model.get(self.awaddr)),
            write_word: offered(self.wvalid).map(|()| model.get(self.wdata)),
        }
    }

    pub fn answer(&self, model: &mut Model, answers: Answers) {
        model.set(self.arready, answers.read_ready.into());
        model.set(self.awready, answers.address_ready.into());
        model.set(self.wready, answers.word_ready.into());
        model.set(self.rvalid, answers.beat.is_some().into());
        if let Some(beat) = answers.beat {
            model.set(self.rid, beat.id);
            model.set(self.rdata, beat.word);
            model.set(self.rresp, beat.response.into());
            model.set(self.rlast, beat.last.into());
        }
        model.set(self.bvalid, answers.written.is_some().into());
        model.set(self.bresp, answers.written.unwrap_or_default().into());
    }
}
