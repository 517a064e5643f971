// What the pages do with a script: they follow the node as it goes on, and sort and
// filter without being loaded anew. Without it they do the same with links and a button.
"use strict";

(() => {
	const pause = 300; // ms that somebody who types gets for the next letter
	const again = 5000; // ms between two looks at the page where there are no events
	let address = location.href;
	let events = null;
	let timer = 0;
	let live = true;
	let latest = 0;

	// take puts what may change of a page that the node has sent into the one that is shown.
	function take(text) {
		const sent = new DOMParser().parseFromString(text, "text/html");
		const held = document.activeElement && document.activeElement.id;
		const link = document.activeElement && document.activeElement.getAttribute("href");
		for (const shown of document.querySelectorAll("[data-live]")) {
			const fresh = sent.getElementById(shown.id);
			if (fresh && fresh.innerHTML !== shown.innerHTML) {
				const left = shown.scrollLeft;
				shown.replaceChildren(...document.adoptNode(fresh).childNodes);
				shown.scrollLeft = left;
			}
		}
		hold(held, link);
	}

	// hold gives back the focus to what had it before it was replaced.
	function hold(id, link) {
		if (document.activeElement !== document.body) return;
		const there = (id && document.getElementById(id)) ||
			(link && document.querySelector("[data-live] a[href=\"" + CSS.escape(link) + "\"]"));
		if (there) there.focus({ preventScroll: true });
	}

	function stop() {
		if (events) events.close();
		events = null;
		clearTimeout(timer);
	}

	// follow listens to events, and asks for the page where there are none to be had.
	function follow() {
		stop();
		if (!live || document.hidden || !document.getElementById("live")) return;
		const url = new URL(address);
		url.searchParams.set("format", "html");
		events = new EventSource(url);
		events.addEventListener("page", (e) => take(e.data));
		events.onerror = () => {
			if (events && events.readyState === EventSource.CLOSED) {
				stop();
				timer = setTimeout(() => load(address).finally(follow), again);
			}
		};
	}

	// load shows the page at an address of this one with other parameters.
	async function load(url) {
		const turn = ++latest;
		try {
			const answer = await fetch(url, { headers: { Accept: "text/html" } });
			const text = await answer.text();
			if (turn !== latest) return;
			if (!answer.ok || answer.redirected) { location.assign(url); return; }
			take(text);
		} catch {
			// The node is gone or away: what is shown stays.
		}
	}

	function go(url) {
		address = url.href;
		history.replaceState(null, "", url);
		load(url).then(follow);
	}

	function asked(form) {
		const url = new URL(form.action);
		for (const [name, value] of new FormData(form)) {
			if (value) url.searchParams.set(name, value);
		}
		return url;
	}

	document.addEventListener("click", (e) => {
		const link = e.target.closest("a[href^='?']");
		if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
		const url = new URL(link.href);
		if (url.searchParams.get("format") === "json") return;
		e.preventDefault();
		const form = document.getElementById("filter");
		if (form && form.elements.sort) form.elements.sort.value = (url.searchParams.get("sort") || "").replace(/^-/, "");
		go(url);
	});

	const form = document.getElementById("filter");
	if (form) {
		let wait = 0;
		const submit = () => { clearTimeout(wait); go(asked(form)); };
		form.addEventListener("submit", (e) => { e.preventDefault(); submit(); });
		form.addEventListener("change", submit);
		form.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(submit, pause); });
	}

	const button = document.getElementById("live");
	if (button) {
		button.hidden = false;
		button.addEventListener("click", () => {
			live = !live;
			button.setAttribute("aria-pressed", String(live));
			button.textContent = live ? "Live" : "Paused";
			follow();
		});
	}
	document.addEventListener("visibilitychange", follow);
	addEventListener("pagehide", stop);
	addEventListener("pageshow", follow);
})();
