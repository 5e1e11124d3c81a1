"""lm-evaluation-harness: its model `hf` on a task of our own, with neither network nor an import of blocks."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
import torch.nn.functional as F

import blocks
from blocks.cli import main

TASK = """\
task: sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: choices
doc_to_target: answer
target_delimiter: ""
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
HARNESS = """\
import sys, json, lm_eval
from lm_eval.tasks import TaskManager
folder, model = sys.argv[1:]
assert not any(name.startswith("blocks") for name in sys.modules)
found = lm_eval.simple_evaluate(
    model="hf", model_args={"pretrained": model, "dtype": "float32"}, tasks=["sums"], device="cpu", batch_size=4,
    task_manager=TaskManager(include_path=folder, include_defaults=False), bootstrap_iters=0,
)
scores = [[score for (score, _), in sample["resps"]] for sample in found["samples"]["sums"]]
print("FOUND", json.dumps({"acc": found["results"]["sums"]["acc,none"], "scores": scores}))
"""


def score(model, question, choice):
    """The log probability of a choice after a question, byte by byte, as the harness counts it."""
    ids = torch.tensor([list((question + choice).encode())])
    with torch.no_grad():
        log = F.log_softmax(model(ids[:, :-1])[0], dim=-1)
    begin = len(question.encode()) - 1
    return float(log[0, begin:].gather(-1, ids[0, begin + 1 :, None]).sum())


@pytest.mark.skipif(find_spec("lm_eval") is None, reason="lm_eval is not installed")
def test_scores_are_those_of_the_model(tmp_path):
    pairs = [(a, b) for a in range(3) for b in range(1, 4)]
    rows = [
        {"question": f"{a}+{b}=", "choices": [str(a + b), str(a * b + 11), "no"], "answer": b % 3}
        for a, b in pairs
    ]
    data = tmp_path / "sums.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sums.yaml").write_text(TASK.format(data=data))
    out = tmp_path / "model"
    assert main(["export", "hybrid-tiny", "--to", "hf", "-o", str(out), "--seed", "2"]) == 0
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", HARNESS, str(tmp_path), str(out)],
        capture_output=True, text=True, check=False, env={**os.environ, **offline},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.partition("FOUND ")[2])
    model = blocks.build("hybrid-tiny", seed=2).eval()
    wanted = [[score(model, row["question"], choice) for choice in row["choices"]] for row in rows]
    assert torch.allclose(torch.tensor(found["scores"]), torch.tensor(wanted), atol=1e-4)
    right = sum(max(each) == each[row["answer"]] for row, each in zip(rows, wanted, strict=True))
    assert found["acc"] == pytest.approx(right / len(wanted))
    assert 0 < found["acc"] < 1
