"""Which URLs does a page link to?"""

from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin


class LinkParser(HTMLParser):
    """Finds the links of a page."""

    ATTRIBUTES = {"a": "href", "img": "src", "link": "href", "script": "src"}  # noqa: RUF012  # never changed

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the link of a *tag*, if it has one."""
        name = self.ATTRIBUTES.get(tag)
        self.found += [link for key, link in attrs if key == name and link is not None]


def find_links(text: str, base: str) -> list[str]:
    """Return the URLs that the page at *base* links to, each of them once."""
    parser = LinkParser()
    parser.feed(text)
    urls: dict[str, None] = {}
    for link in parser.found:
        url = link.strip()
        with suppress(ValueError):  # such as http://[, which the visit will report
            url = urldefrag(urljoin(base, url)).url
        if url.startswith(("http://", "https://")):  # and not mailto:, say
            urls[url] = None
    return list(urls)
