"""The reward of the run as verl calls it. What it is worth is verifier.py's; a soft overlong punishment is verl's own (reward_manager: dapo)."""
import sys
from pathlib import Path

# verl loads this file by its path.
sys.path.insert(0, str(Path(__file__).parent))

from verifier import correct, earned, settings  # noqa: E402


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    said = (solution_str, ground_truth, extra_info["rule"], extra_info["opened"])
    values = {choice["name"]: earned(choice, *said) for choice in settings["rewards"]}
    score = sum(choice["weight"] * values[choice["name"]] for choice in settings["rewards"])
    return {**values, "score": score, "acc": correct(*said)}
