"""
    python train.py [--max_steps 2 …]

Trains the policy of settings.json on data/train.jsonl with TRL, by config.yaml; options on the command line go before what stands there.
"""
import json
import sys
from pathlib import Path

from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer, TrlParser

from trl_rewards import functions
from verifier import settings

here = Path(__file__).parent
Trainer, Config = (RLOOTrainer, RLOOConfig) if settings["trainer"] == "RLOOTrainer" else (GRPOTrainer, GRPOConfig)


def arguments(options=()):
    (config,) = TrlParser((Config,)).parse_args_and_config(["--config", str(here / "config.yaml"), *options])
    return config


def trainer(config, **more):
    """More are arguments of the trainer's."""
    included = settings["policy"] == "policy"
    policy = str(here / "policy") if included else settings["policy"]
    tokenizer = AutoTokenizer.from_pretrained(policy, padding_side="left")
    lines = (here / "data" / "train.jsonl").read_text(encoding="utf-8").split("\n")
    rows = Dataset.from_list([json.loads(line) for line in lines if line])
    if settings["lora"]:
        from peft import LoraConfig

        more["peft_config"] = LoraConfig(task_type="CAUSAL_LM", **settings["lora"])
    return Trainer(
        model=policy, args=config, reward_funcs=functions(tokenizer), train_dataset=rows, processing_class=tokenizer, **more
    )


if __name__ == "__main__":
    run = trainer(arguments(sys.argv[1:]))
    run.train()
    run.save_model(str(Path(run.args.output_dir) / "policy"))
