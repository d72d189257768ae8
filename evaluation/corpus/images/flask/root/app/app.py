"""Ten endpoints, each with something that a program loads only when it is asked for it. Every answer is constant."""

from flask import Flask, render_template, request

app = Flask(__name__)


@app.get("/")
def index():
    return "ten endpoints\n"


@app.get("/sql")
def sql():
    import sqlite3

    with sqlite3.connect(":memory:") as database:
        return {"sum": database.execute("select 6 * 7").fetchone()[0]}


@app.get("/decimal")
def decimal():
    from decimal import Decimal, getcontext

    getcontext().prec = 30
    return str(Decimal(2).sqrt())


@app.get("/host/<name>")
def host(name):
    return name.encode("idna").decode() + " " + "ж".encode("koi8-r").hex()


@app.get("/time")
def time():
    from datetime import datetime
    from zoneinfo import ZoneInfo

    return datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Asia/Kathmandu")).isoformat()


@app.get("/hash")
def digest():
    import hashlib
    import hmac

    return hashlib.blake2b(b"cntr").hexdigest() + hmac.new(b"key", b"cntr", "sha3_256").hexdigest()


@app.get("/xml")
def xml():
    from xml.etree import ElementTree

    tree = ElementTree.fromstring("<a><b c='d'>e</b></a>")
    return ElementTree.tostring(tree.find("b"), encoding="unicode")


@app.get("/table")
def table():
    import csv
    import io
    import locale

    written = io.StringIO()
    csv.writer(written).writerow([locale.format_string("%d", 12345), "a,b"])
    return written.getvalue()


@app.get("/mail")
def mail():
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = "Grüße"
    message.set_content("Hallo, Wörld\n")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="x.png")
    message.set_boundary("constant")
    return message.as_string()


@app.get("/calculate")
def calculate():
    import subprocess

    done = subprocess.run(["bc"], input=request.args.get("sum", "6*7") + "\n", capture_output=True, text=True)
    return done.stdout


@app.errorhandler(404)
def missing(_error):
    return render_template("missing.html", path=request.path), 404


if __name__ == "__main__":
    app.run("0.0.0.0", 8000, threaded=True)
