"""
A project that `permix export --to trl` wrote, run as its README says, but for the completions, which are given: TRL's own GRPOTrainer, made by the
project's train.py, tokenises the prompts, asks the project's rewards, and takes its steps. And its verdicts on replies of any kind.
"""
import json
import os
import subprocess
import sys
from pathlib import Path


def beside(folder):
    """Its modules, and no bytes left in it."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)
    os.chdir(folder)


def project(job):
    """Of each step: TRL's loss, gradient norm, rewards, advantages and prompts, over the completions that are given."""
    import torch

    torch.set_num_threads(job["threads"])
    beside(job["folder"])
    import train

    steps, prompts = iter(job["completions"]), []

    def given(asked, trainer):
        words = trainer.processing_class
        ids = [words.apply_chat_template(one, add_generation_prompt=True, tokenize=True, return_dict=False) for one in asked]
        prompts.append(ids)
        completions = next(steps)
        return {"prompt_ids": ids, "completion_ids": completions, "logprobs": [[0.0] * len(one) for one in completions]}

    options = ["--max_steps", str(len(job["completions"])), "--output_dir", job["out"], "--save_strategy", "no"]
    trainer = train.trainer(train.arguments(options), rollout_func=given)
    advantages, rewards = [], []
    score = trainer._generate_and_score_completions

    def scored(inputs):
        out = score(inputs)
        advantages.append(out["advantages"].tolist())
        return out

    trainer._generate_and_score_completions = scored
    ask = trainer._calculate_rewards

    def calculated(*args):
        out = ask(*args)
        rewards.append((out * trainer.reward_weights.to(out.device)).sum(dim=1).tolist())
        return out

    trainer._calculate_rewards = calculated
    trainer.train()
    log = [row for row in trainer.state.log_history if "grad_norm" in row]
    answers = zip(log, prompts, rewards, advantages, strict=True)
    return [
        {"loss": row["loss"], "gradientNorm": row["grad_norm"], "reward": row["reward"], "prompts": p, "rewards": r, "advantages": a}
        for row, p, r, a in answers
    ]


def readme(job):
    """Its second command, word for word, but for the number of steps: completions are TRL's own. Mean reward of each step."""
    lines = (Path(job["folder"]) / "README.md").read_text(encoding="utf-8").split("\n")
    command = next(line.strip() for line in lines if line.startswith("    python "))
    words = [sys.executable, *command.split()[1:], "--max_steps", str(job["steps"]), "--output_dir", job["out"], "--save_steps", "1"]
    subprocess.run(words, cwd=job["folder"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    state = json.loads((Path(job["out"]) / f"checkpoint-{job['steps']}" / "trainer_state.json").read_text(encoding="utf-8"))
    return [row["reward"] for row in state["log_history"] if "reward" in row]


def judged(job):
    """The project's verdicts."""
    beside(job["folder"])
    from verifier import correct

    return [correct(one["completion"], one["answer"], one["rule"], one["opened"]) for one in job["cases"]]
