"""The pages: what a browser shows of a node, and asks of it."""

from nicegui import ui

from web.context import Context


def register(context: Context) -> None:
    """Add the pages to NiceGUI's application."""

    @ui.page("/")
    def home() -> None:
        label = ui.label()

        def show() -> None:
            view = context.source.view
            label.text = f"node {view.health.word}, {len(view.positions)} open positions"

        show()
        ui.timer(1.0, show)
