"""The words and the looks of the page that checks certificates; everything from outside is escaped."""

from html import escape
from pathlib import Path
from typing import Any

_VERDICTS = {
    "genuine": (
        "真正",
        "うら面はこの市区町村が発行したもので、おもて面との違いは見つかりませんでした。",
        "Genuine: this municipality issued every sheet, and its front shows no difference.",
    ),
    "back_only": (
        "うら面のみ真正",
        "うら面は真正です・おもて面は読み取られていません。おもて面も一緒に読み取るか、下の内容と見比べてください。",
        "The back is genuine, the front was not read: scan it, too, or compare it with what it must say.",
    ),
    "altered": (
        "改ざんの疑い",
        "発行したときのままではありません。この証明書を受け取らないでください。",
        "Altered: this is not as it was issued. Do not accept the certificate.",
    ),
    "unreadable": (
        "読取不能",
        "読み取れませんでした。改ざんとは限りません。300dpi以上で読み取り直してください。",
        "Unreadable, which need not mean forged. Scan again with 300 dpi or more.",
    ),
    "undecided": (
        "確認が必要",
        "読み取れた部分は真正ですが、すべては確認できていません。",
        "Undecided: what was read is genuine, but not all of it could be checked.",
    ),
}

_STYLE = Path(__file__).with_name("checking.css").read_text(encoding="utf-8")


def form_page(issuer: str, said: str = "") -> str:
    """Where scans are chosen; said: why the last ones were not taken."""
    told = f'<p class="said" role="alert">{escape(said)}</p>' if said else ""
    return _page(
        issuer,
        f"""{told}
<p>証明書のうら面を300dpi以上で読み取り、選んでください。おもて面も一緒に選ぶと、発行したときの内容と並べて違いを示します。
PNG、JPEG、TIFF、PDF（合わせて40MBまで）。画像はこの確認だけに使い、保存しません。</p>
<form method="post" action="/check" enctype="multipart/form-data">
<p><input type="file" name="scan" multiple required accept=".png,.jpg,.jpeg,.tif,.tiff,.pdf"
 aria-label="読み取った画像"></p>
<p><button type="submit">確認する</button></p></form>""",
    )


def report_page(issuer: str, told: dict[str, Any]) -> str:
    """What `madoguchi verify --json --pictures` says."""
    title, words, english = _VERDICTS[told["verdict"]]
    findings = "".join(
        f"<li>{escape(' '.join(filter(None, (each['picture'], each['words_ja']))))}"
        f'<br><small lang="en">{escape(each["words"])}</small></li>'
        for each in told["findings"]
    )
    sheets = "".join(map(_sheet, told["sheets"]))
    return _page(
        issuer,
        f"""<p class="verdict {escape(told["verdict"])}" id="verdict">{title}</p>
<p>{words}<br><small lang="en">{english}</small></p>
<ul>{findings}</ul>{sheets}
<p>真正とは、記載内容がこの市区町村の署名どおりであることです。用紙が原本であることは、けん制文字と偽造防止検出画像で確かめてください。</p>
<p><a href="/">別の証明書を確認する</a></p>""",
    )


def _sheet(sheet: dict[str, Any]) -> str:
    rows = (
        ("発行番号", sheet["number"]),
        ("発行日", sheet["issued_on"]),
        ("発行者", sheet["issuer"]),
        ("枚", f"{sheet['sheet']}／{sheet['sheets']}"),
    )
    table = "".join(f"<tr><th>{label}</th><td>{escape(str(value))}</td></tr>" for label, value in rows)
    return f"<h2>{sheet['sheet']}枚目</h2><table>{table}</table>{_pictures(sheet)}{_text(sheet)}"


def _pictures(sheet: dict[str, Any]) -> str:
    shown = ""
    if "compared_png" in sheet:
        shown += "<h3>左：発行したときの内容　右：読み取ったおもて面（赤枠は違い）</h3>" + _image(
            sheet["compared_png"], "発行した内容と読み取ったおもて面"
        )
    elif "drawn_png" in sheet:
        shown += "<h3>おもて面に書かれているべき内容</h3>" + _image(
            sheet["drawn_png"], "おもて面に書かれているべき内容"
        )
    return shown


def _text(sheet: dict[str, Any]) -> str:
    if sheet["front"] is None:
        return ""
    lines = escape("\n".join(line for line in sheet["front"] if line))
    return f'<details><summary>文字で表示する</summary><pre class="front">{lines}</pre></details>'


def _image(png: str, alt: str) -> str:
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{escape(png)}">'


def _page(issuer: str, body: str) -> str:
    title = f"{escape(issuer)} 証明書の確認"
    return (
        f'<!doctype html><html lang="ja"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}（証明書復号画像表示）</h1>{body}</body></html>"
    )
