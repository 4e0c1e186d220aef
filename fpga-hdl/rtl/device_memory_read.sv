// Brings the bursts of all fetch units to the device's own slots and to the AXI4 port, and the beats back to their units.
//
// Latency: a burst is on the bus one cycle after it was taken; the device's own words come three cycles after, one in a cycle. Rate: one
// burst in a cycle to the bus, one word in a cycle each from the bus and from the device's own memory. Stall: bursts wait by ready
// and valid; beats are always taken. Input range: any beat; one with the number of no unit is dropped and flagged.

module device_memory_read
  import device_pkg::*;
#(
  parameter int unsigned Fetchers = 1,
  localparam int unsigned UnitBits = (Fetchers == 1) ? 1 : $clog2(Fetchers)
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic [Fetchers-1:0] burst_valid_i,
  output logic [Fetchers-1:0] burst_ready_o,
  input  logic [Fetchers-1:0] burst_local_i,
  input  logic [63:3]         burst_address_i [Fetchers],
  input  burst_words_t        burst_words_i [Fetchers],

  output logic [Fetchers-1:0] beat_o,
  output logic [63:0]         beat_data_o [Fetchers],
  output logic [Fetchers-1:0] beat_last_o,
  output logic [Fetchers-1:0] beat_error_o,
  output logic                bus_beat_o,    // a word came through the port
  output logic                stray_o,       // a beat for no unit

  // The slots in the device; a word is there two cycles after its address.
  output logic [SlotBits+4:0] slot_raddr_o,
  input  logic [63:0]         slot_rdata_i,

  output logic                arvalid_o,
  input  logic                arready_i,
  output logic [UnitBits-1:0] arid_o,
  output logic [63:0]         araddr_o,
  output logic [7:0]          arlen_o,
  input  logic                rvalid_i,
  output logic                rready_o,
  input  logic [UnitBits-1:0] rid_i,
  input  logic [63:0]         rdata_i,
  input  logic [1:0]          rresp_i,
  input  logic                rlast_i
);

  // ---- Bursts to the bus.

  logic                bus_any, bus_take, arvalid_q;
  logic [UnitBits-1:0] bus_unit, arid_q;
  logic [63:3]         araddr_q;
  burst_words_t        arwords_q;
  prim_arbiter #(.Requests(Fetchers)) u_bus (
    .clk_i,
    .rst_ni,
    .request_i(burst_valid_i & ~burst_local_i),
    .used_i(bus_take),
    .valid_o(bus_any),
    .grant_o(bus_unit)
  );

  assign bus_take  = bus_any && (!arvalid_q || arready_i);
  assign arvalid_o = arvalid_q;
  assign arid_o    = arid_q;
  assign araddr_o  = {araddr_q, 3'd0};
  assign arlen_o   = 8'(arwords_q) - 8'd1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)        arvalid_q <= 1'b0;
    else if (bus_take)  arvalid_q <= 1'b1;
    else if (arready_i) arvalid_q <= 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (bus_take) begin
      arid_q    <= bus_unit;
      araddr_q  <= burst_address_i[bus_unit];
      arwords_q <= burst_words_i[bus_unit];
    end
  end

  // ---- Bursts to the device's own slots: one at a time, one word in a cycle.

  logic                own_any, own_take;
  logic [UnitBits-1:0] own_unit, own_unit_q;
  burst_words_t        own_left_q;
  logic [SlotBits+4:0] own_address_q;
  prim_arbiter #(.Requests(Fetchers)) u_own (
    .clk_i,
    .rst_ni,
    .request_i(burst_valid_i & burst_local_i),
    .used_i(own_take),
    .valid_o(own_any),
    .grant_o(own_unit)
  );

  assign own_take     = own_any && own_left_q <= 5'd1;
  assign slot_raddr_o = own_address_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni)                 own_left_q <= '0;
    else if (own_take)           own_left_q <= burst_words_i[own_unit];
    else if (own_left_q != '0)   own_left_q <= own_left_q - 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (own_take) begin
      own_unit_q    <= own_unit;
      own_address_q <= burst_address_i[own_unit][SlotBits+7:3];
    end else begin
      own_address_q <= own_address_q + 1'b1;
    end
  end

  // What arrives from the memory two cycles after its address.
  logic [1:0]               own_valid_q, own_last_q;
  logic [1:0][UnitBits-1:0] own_to_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) own_valid_q <= '0;
    else         own_valid_q <= {own_valid_q[0], own_left_q != '0};
  end
  always_ff @(posedge clk_i) begin
    own_last_q <= {own_last_q[0], own_left_q == 5'd1};
    own_to_q   <= {own_to_q[0], own_unit_q};
  end

  // ---- Beats. A unit has beats due from one of both sides at a time.

  assign rready_o   = 1'b1;
  assign bus_beat_o = rvalid_i;
  assign stray_o    = rvalid_i && 32'(rid_i) >= Fetchers;
  for (genvar f = 0; f < int'(Fetchers); f++) begin : gen_units
    logic own, bus;
    assign own = own_valid_q[1] && own_to_q[1] == UnitBits'(f);
    assign bus = rvalid_i && rid_i == UnitBits'(f);
    assign burst_ready_o[f] = burst_local_i[f] ? own_take && own_unit == UnitBits'(f) : bus_take && bus_unit == UnitBits'(f);
    assign beat_o[f]        = own || bus;
    assign beat_data_o[f]   = own ? slot_rdata_i : rdata_i;
    assign beat_last_o[f]   = own ? own_last_q[1] : rlast_i;
    assign beat_error_o[f]  = !own && rresp_i != 2'b00;
  end

endmodule
