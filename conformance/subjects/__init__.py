"""Where subjects come from: by URL, by command, in memory."""
