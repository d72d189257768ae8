"""Pages by templates: {"template": "greeting", "name": …}."""

import datetime
import os

from jinja2 import Environment, FileSystemLoader

HERE = os.path.dirname(os.path.abspath(__file__))
environment = Environment(
    loader=FileSystemLoader(os.path.join(HERE, "templates")),
    extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    autoescape=True,
)
TODAY = datetime.date(2024, 7, 1)


def handler(event):
    values = {"name": "nobody", "rows": [], "today": TODAY, **event}
    if locale := event.get("locale"):
        from babel import dates, numbers

        values["today"] = dates.format_date(TODAY, "full", locale=locale)
        values["total"] = numbers.format_currency(1234.5, "EUR", locale=locale)
    if source := event.get("source"):
        return environment.from_string(source).render(values)
    return environment.get_template(f"{event.get('template', 'greeting')}.html").render(values)
