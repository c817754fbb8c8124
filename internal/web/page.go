package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strconv"
	"time"
)

//go:embed assets
var assets embed.FS

var pageTemplate = template.Must(template.ParseFS(assets, "assets/page.html"))

// page renders the whole view on the server. reload=N in the query makes a
// browser without scripts load it again every N seconds.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	reload, _ := strconv.Atoi(r.URL.Query().Get("reload"))
	reload = min(max(reload, 0), 3600)
	var b bytes.Buffer // whole, so that an error is no half page
	if err := pageTemplate.Execute(&b, s.view(s.config.Source(), time.Now(), reload)); err != nil {
		http.Error(w, "render the page: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// assetHandler serves style and script; the template is not among them.
func assetHandler() http.Handler {
	types := map[string]string{"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}
	return http.StripPrefix("/assets/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, ok := types[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		b, err := assets.ReadFile("assets/" + r.URL.Path)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(b)
	}))
}
