// The functions that Rust calls. Ports are numbered in the order of the list; -1 is no such port.

extern "C" {

paxon::Model* paxon_model_new(const char* name) { return paxon::new_model(name); }

void paxon_model_free(paxon::Model* model) { delete model; }

int32_t paxon_model_port(paxon::Model* model, const char* name) {
    auto& ports = model->ports();
    for (size_t at = 0; at < ports.size(); ++at)
        if (!std::strcmp(ports[at].name, name)) return static_cast<int32_t>(at);
    return -1;
}

uint32_t paxon_model_bits(paxon::Model* model, int32_t port) { return model->ports()[port].bits; }

int32_t paxon_model_is_input(paxon::Model* model, int32_t port) { return model->ports()[port].input; }

// Moves exactly Port::words() words.
void paxon_model_write(paxon::Model* model, int32_t port, const uint32_t* words) {
    auto& to = model->ports()[port];
    std::memcpy(to.data, words, to.bytes());
}

void paxon_model_read(paxon::Model* model, int32_t port, uint32_t* words) {
    auto& from = model->ports()[port];
    words[0] = 0;
    std::memcpy(words, from.data, from.bytes());
}

void paxon_model_eval(paxon::Model* model) { model->eval(); }

void paxon_model_clock(paxon::Model* model, uint64_t cycles) { model->clock(cycles); }

}
