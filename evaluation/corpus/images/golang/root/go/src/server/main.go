package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"time"
)

func main() {
	location, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(time.Unix(0, 0).In(location))
	}))
	defer server.Close()
	answer, err := http.Get(server.URL)
	if err != nil || answer.StatusCode != 200 || !regexp.MustCompile("a+").MatchString("caat") {
		os.Exit(1)
	}
}
