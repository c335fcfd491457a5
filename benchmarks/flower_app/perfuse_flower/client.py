"""A gateway under Flower: trains with the same code, on the same examples, from what is sent."""

from __future__ import annotations

from pathlib import Path

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from benchmarks.intermittent_task import Task

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the parameters in the message; answer with what they became."""
    task = Task.read(Path(str(context.run_config["task"])))
    config = message.content["config"]
    parameters = message.content["arrays"].to_numpy_ndarrays()[0]
    gateway = task.gateways[int(context.node_config["partition-id"])]
    trained = task.train(gateway, int(config["number"]), parameters)
    content = RecordDict(
        {
            "arrays": ArrayRecord([parameters + trained.delta]),
            "metrics": MetricRecord({"num-examples": trained.num_examples}),
        }
    )
    return Message(content=content, reply_to=message)
