"""What the seller's world is made of: money, markets, states, grades, texts, filters. Pure; imports nothing of ours."""
