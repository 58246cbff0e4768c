"""Click: options and command families; calls the engine, hands results to the ui."""
