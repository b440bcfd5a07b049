"""One journey for each vendor through the real server over stdio: cost, generate, edit, refusal, crash and collect."""
