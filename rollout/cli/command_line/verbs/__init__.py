"""The options, arguments and examples of the verbs, a file each. `rollout/cli/verbs/` carries them out."""
