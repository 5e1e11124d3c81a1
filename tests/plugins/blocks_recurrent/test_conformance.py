"""Every recurrent mixer holds the conformance suite, with no waiver."""

from blocks.testing import conformance
from blocks_recurrent.score_specs import Additive, Dot, General, ScaledDot
from blocks_recurrent.specs import Bahdanau, Maxout
from blocks_recurrent.unit_specs import GRU, LSTM, RNN

test_gru = conformance(GRU(), d_model=16)
test_gru_of_another_width = conformance(GRU(hidden=12, bias=False), d_model=16)
test_gru_reset_after = conformance(GRU(reset="after"), d_model=16)
test_gru_backward = conformance(GRU(direction="backward", hidden=8), d_model=16)
test_gru_bidirectional = conformance(GRU(direction="bidirectional", reset="after"), d_model=16)
test_rnn = conformance(RNN(), d_model=8)
test_rnn_relu_both_ways = conformance(
    RNN(activation="relu", hidden=6, bias=False, direction="bidirectional"), d_model=8
)
test_lstm = conformance(LSTM(), d_model=8)
test_lstm_projected_with_peepholes = conformance(
    LSTM(hidden=6, d_proj=4, peepholes=True, bias=False), d_model=8
)
test_lstm_backward = conformance(LSTM(direction="backward", hidden=4), d_model=8)
test_maxout = conformance(Maxout(d_out=8, pieces=3), d_model=16)
test_bahdanau = conformance(Bahdanau(hidden=12).reading(20), d_model=16)
test_bahdanau_current = conformance(
    Bahdanau(score=Additive(hidden=7), readout="current").reading(20), d_model=16
)
test_bahdanau_groundhog = conformance(Bahdanau(readout="groundhog", bias=False).reading(20), d_model=16)
test_bahdanau_dot = conformance(Bahdanau(hidden=20, score=Dot()).reading(20), d_model=16)
test_bahdanau_scaled_dot = conformance(Bahdanau(hidden=20, score=ScaledDot()).reading(20), d_model=16)
test_bahdanau_general = conformance(Bahdanau(score=General()).reading(20), d_model=16)
