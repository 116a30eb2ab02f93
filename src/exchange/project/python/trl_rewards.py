"""The rewards of the run as TRL calls them, by the names under which TRL logs them. What they are worth is verifier.py's."""
from verifier import earned, is_thinking_mark, settings


def functions(tokenizer):
    """In the order of reward_weights."""
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special and not is_thinking_mark(token.content)}

    def text_of(ids):
        # TRL's own text has lost the marks of a thinking where they are special tokens.
        return tokenizer.decode([i for i in ids if i not in special], skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def named(choice):
        def reward(completion_ids, answer, rule, opened, **_):
            rows = zip(completion_ids, answer, rule, opened)
            return [earned(choice, text_of(ids), a, r, o) for ids, a, r, o in rows]

        reward.__name__ = choice["name"]
        return reward

    def soft_overlong(completion_ids, **_):
        """DAPO, equation 13: 0 up to `limit - buffer` tokens, down to -1 at `limit`."""
        limit, buffer = settings["maxCompletionLength"], settings["overlongBuffer"]
        return [-1.0 if len(ids) > limit else min(0.0, (limit - buffer - len(ids)) / buffer) for ids in completion_ids]

    return [named(choice) for choice in settings["rewards"]] + ([soft_overlong] if settings["overlongBuffer"] > 0 else [])
