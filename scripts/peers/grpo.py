"""TRL's side of `npm run peers`: the loss and gradients of one batch, also of peft's adapters, and a run of GRPOTrainer with a recipe's settings."""
import re
import tempfile

import torch
from datasets import Dataset
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer


def adapted(job):
    """peft's adapters, to be trained, on a policy in float32."""
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(job["folder"], dtype=torch.float32)
    return PeftModel.from_pretrained(base, job["adapters"], is_trainable=True)


def trainer_of(job, questions, reward, out, steps):
    settings = job["settings"]
    # What is loaded from a name is loaded as this says; TRL refuses it beside a model.
    model, init = (adapted(job), {}) if "adapters" in job else (job["folder"], {"model_init_kwargs": {"dtype": "float32"}})
    peft = {"peft_config": LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", **job["lora"])} if "lora" in job else {}
    args = GRPOConfig(
        output_dir=out,
        seed=job.get("seed", 0),
        use_cpu=True,
        bf16=False,
        fp16=False,
        max_steps=steps,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        gradient_checkpointing=False,
        shuffle_dataset=False,
        per_device_train_batch_size=settings["prompts"] * settings["group"],
        gradient_accumulation_steps=1,
        num_generations=settings["group"],
        num_iterations=1,
        max_completion_length=settings["maxNewTokens"],
        temperature=settings["temperature"],
        top_p=1.0,
        top_k=0,
        learning_rate=settings["learningRate"],
        lr_scheduler_type="constant",
        warmup_steps=0,
        adam_beta1=settings["beta1"],
        adam_beta2=settings["beta2"],
        adam_epsilon=settings["eps"],
        weight_decay=settings["weightDecay"],
        max_grad_norm=settings["maxGradNorm"],
        beta=settings["beta"],
        # TRL 1.16 multiplies the KL by the ratio unless it is told not to; GRPO as it was published does not.
        use_bias_correction_kl=False,
        epsilon=settings["epsilonLow"],
        epsilon_high=settings["epsilonHigh"],
        loss_type=settings["loss"],
        scale_rewards="group",
        importance_sampling_level="token",
        **init,
    )
    rows = Dataset.from_list(questions)
    words = AutoTokenizer.from_pretrained(job["folder"], padding_side="left")
    return GRPOTrainer(model=model, args=args, reward_funcs=reward, train_dataset=rows, processing_class=words, **peft)


def boxed(completions, answer, **_):
    """1 where the last box holds the answer as a whole number."""
    rewards = []
    for completion, right in zip(completions, answer):
        boxes = re.findall(r"\\boxed\{([^{}]*)\}", completion[0]["content"])
        said = boxes[-1].strip() if boxes else ""
        rewards.append(1.0 if re.fullmatch(r"[+-]?\d+", said) and int(said) == int(right) else 0.0)
    return rewards


def curve(job):
    """Mean reward of each step, over the same questions in the same order; the draws are torch's."""
    torch.set_num_threads(job["threads"])
    with tempfile.TemporaryDirectory() as out:
        trainer = trainer_of(job, job["questions"], boxed, out, job["steps"])
        trainer.train()
        return [row["reward"] for row in trainer.state.log_history if "reward" in row]


def last_number(completions, answer, **_):
    """1 where the last number is the answer."""
    said = [re.findall(r"-?\d+", completion[0]["content"]) for completion in completions]
    return [1.0 if numbers and int(numbers[-1]) == int(right) else 0.0 for numbers, right in zip(said, answer)]


def speed(job):
    """Seconds of each step, as TRL counts them."""
    torch.set_num_threads(job["threads"])
    with tempfile.TemporaryDirectory() as out:
        trainer = trainer_of(job, job["questions"], last_number if "lora" in job else boxed, out, job["steps"])
        trainer.train()
        return [row["step_time"] for row in trainer.state.log_history if "step_time" in row]


def batch(job):
    """
    Loss and gradient norm of rows [prompt | completion] under TRL's own `_compute_loss`. With adapters also the log-probs of the completions
    with and without them; every gradient goes to the file that `gradients` names.
    """
    torch.set_num_threads(1)
    questions = [{"prompt": [{"role": "user", "content": "?"}], "answer": "0"}] * job["settings"]["prompts"]
    with tempfile.TemporaryDirectory() as out:
        trainer = trainer_of(job, questions, boxed, out, 1)
        model = trainer.model.train()
        trainer.current_gradient_accumulation_steps = 1
        width = max(len(row["prompt"]) for row in job["rows"])
        longest = max(len(row["completion"]) for row in job["rows"])

        def padded(values, length, fill, left=False):
            rest = [fill] * (length - len(values))
            return rest + values if left else values + rest

        rows = job["rows"]
        inputs = {
            "prompt_ids": torch.tensor([padded(row["prompt"], width, 0, True) for row in rows]),
            "prompt_mask": torch.tensor([padded([1] * len(row["prompt"]), width, 0, True) for row in rows]),
            "completion_ids": torch.tensor([padded(row["completion"], longest, 0) for row in rows]),
            "completion_mask": torch.tensor([padded([1] * len(row["completion"]), longest, 0) for row in rows]),
            "advantages": torch.tensor([row["advantage"] for row in rows]),
            "num_items_in_batch": torch.tensor(sum(len(row["completion"]) for row in rows)),
        }
        for name, key in (("old_per_token_logps", "old"), ("ref_per_token_logps", "reference")):
            if rows[0].get(key) is not None:
                inputs[name] = torch.tensor([padded(row[key], longest, 0.0) for row in rows])
        trainer.args.steps_per_generation = 1
        loss = trainer._compute_loss(model, inputs)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
        answer = {"loss": float(loss.detach()), "gradientNorm": float(norm)}
        if "gradients" in job:
            named = {name.replace(".default", ""): p.grad for name, p in model.named_parameters() if p.grad is not None}
            save_file(named, job["gradients"])
        if "adapters" in job:
            ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
            seen = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)

            def logprobs():
                with torch.no_grad():
                    values = trainer._get_per_token_logps_and_entropies(model, ids, seen, longest)[0]
                return [row[: len(own["completion"])].tolist() for row, own in zip(values, rows)]

            answer["logprobs"] = logprobs()
            with model.disable_adapter():
                answer["baseLogprobs"] = logprobs()
        return answer
